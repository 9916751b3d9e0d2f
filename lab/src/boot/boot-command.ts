import { existsSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { join, resolve } from "node:path";
import { must } from "../net/run.ts";
import { runBoot } from "./run-boot.ts";

/** Process 1, and what brings its network up. */
const systemd = ["/lib/systemd/systemd", "/lib/systemd/systemd-networkd"];
const packager = join(import.meta.dirname, "../../../companion/src/service/package-main.ts");

/**
 * `npm run lab -- boot`: the service under a real systemd. Returns the exit code: 1 when a guarantee does not hold.
 * @param product the Debian package; undefined: it is built
 */
export async function bootCommand(json: string | undefined, product: string | undefined): Promise<number> {
  if (!systemd.every((file) => existsSync(file)))
    throw new Error(
      "A machine is booted from this one's systemd, which is not here: apt-get install systemd.",
    );
  const report = await runBoot(resolve(product ?? (await build())), ({ holds, guarantee, found }) => {
    process.stdout.write(
      `${holds ? "ok  " : "BAD "}  ${guarantee}\n      ${found.replaceAll("\n", "\n      ")}\n`,
    );
  });
  const { guarantees, seconds } = report;
  const broken = guarantees.filter(({ holds }) => !holds).length;
  process.stdout.write(
    `${guarantees.length} guarantees, ${broken} that do not hold; ${report.systemd}; ${seconds.toFixed(0)} s.\n`,
  );
  if (json !== undefined)
    writeFileSync(json, `${JSON.stringify({ ...report, kernel: release() }, null, 2)}\n`);
  return broken === 0 ? 0 : 1;
}

async function build(): Promise<string> {
  process.stdout.write("Building the package …\n");
  const said = await must([process.execPath, packager], { timeoutMs: 600_000 });
  return said.trim().split("\n").at(-1) ?? "";
}
