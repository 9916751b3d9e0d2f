import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { NamespaceProcess } from "../net/namespace-process.ts";
import { must, run } from "../net/run.ts";

const PATIENCE_MS = 120_000;
const NODE = "/usr/lib/atlantic/node/bin/node";
const DAEMON = "/usr/lib/atlantic/companion/src/main.ts";

/**
 * The package, installed by the real dpkg into a system of its own: a mount namespace where all of this one's files are
 * seen, and what is written is thrown away. Two packages that differ by their version take turns.
 */
export class InstalledProduct {
  readonly #root: string;
  readonly #holder: NamespaceProcess;
  /** The package that is installed next, and the one after it. */
  #packages: readonly [string, string];

  private constructor(root: string, holder: NamespaceProcess, packages: readonly [string, string]) {
    this.#root = root;
    this.#holder = holder;
    this.#packages = packages;
  }

  /**
   * Installs the package. `shared`: folders of this system that the other has as they are; what is mounted on them must
   * be there already.
   * @throws Error when dpkg fails
   */
  static async install(options: {
    readonly package: string;
    readonly namespace: string;
    readonly folder: string;
    readonly shared: readonly string[];
  }): Promise<InstalledProduct> {
    const { namespace, folder, shared } = options;
    const [layer, root] = [join(folder, "layer"), join(folder, "root")];
    for (const path of [layer, root]) mkdirSync(path, { recursive: true });
    // dpkg runs below another root, and from there.
    const first = resolve(options.package);
    const later = await withLaterVersion(first, folder);
    // All mounts are of this process's namespace, and go with it.
    const script = [
      "set -e",
      `mount -t tmpfs tmpfs ${layer}`,
      `mkdir ${layer}/upper ${layer}/work`,
      `mount -t overlay overlay -o lowerdir=/,upperdir=${layer}/upper,workdir=${layer}/work ${root}`,
      ...["/proc", "/sys", "/dev", ...shared].map((path) => `mount --bind ${path} ${root}${path}`),
      "echo ready",
      "exec sleep infinity",
    ].join("\n");
    const argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script];
    const holder = new NamespaceProcess(namespace, argv);
    await holder.until(() => holder.lines.includes("ready"), "ready");
    const product = new InstalledProduct(root, holder, [first, later]);
    await product.upgrade();
    return product;
  }

  /** What starts the daemon that is installed. */
  get program(): readonly string[] {
    return [...this.#inside, NODE, "--disable-warning=ExperimentalWarning", DAEMON];
  }

  /** Puts the other version in the place of this one, as `dpkg --install` does. Services are left to systemd. */
  async upgrade(): Promise<void> {
    const [next, other] = this.#packages;
    this.#packages = [other, next];
    const options = ["--force-unsafe-io", "--force-downgrade", "--force-confnew"];
    await must([...this.#inside, "dpkg", ...options, "--install", next], { timeoutMs: PATIENCE_MS });
  }

  async close(): Promise<void> {
    await this.#holder.stop("SIGKILL");
  }

  get #inside(): readonly string[] {
    return ["nsenter", `--mount=/proc/${this.#holder.pid}/ns/mnt`, "chroot", this.#root];
  }
}

/** The same package with a later version. */
async function withLaterVersion(file: string, folder: string): Promise<string> {
  const [unpacked, later] = [join(folder, "unpacked"), join(folder, "later.deb")];
  await must(["dpkg-deb", "-R", file, unpacked], { timeoutMs: PATIENCE_MS });
  await must(["sed", "-i", "s/^Version: .*/&+lab1/", join(unpacked, "DEBIAN/control")]);
  await must(["dpkg-deb", "--root-owner-group", "-Znone", "--build", unpacked, later], {
    timeoutMs: PATIENCE_MS,
  });
  await run(["rm", "-rf", unpacked]);
  return later;
}
