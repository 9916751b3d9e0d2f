import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type PolicyReading,
  type PolicyRefusal,
  type RegionalPolicy,
  readPolicy,
} from "@atlantic/shared/blocking/policy/policy-file.ts";
import { z } from "zod";
import { ClearError } from "../../clear-error.ts";
import { PolicyInForce } from "./policy-in-force.ts";
import { verifySignature } from "./policy-signature.ts";

const choiceSchema = z.object({
  version: z.literal(1),
  /** The key that the person or the operator chose with the policy, base64. */
  key: z.string(),
  age: z.int().min(0).max(120).nullable(),
});

/** Something that the policy's keeper decided, for the log. */
export interface PolicyEvent {
  readonly kind: "in force" | "kept" | "refused" | "removed" | "expired";
  readonly why: PolicyRefusal | null;
  /** For people. */
  readonly sentence: string;
}

export interface PolicyStoreOptions {
  readonly directory: string;
  readonly tell: (event: PolicyEvent) => void;
  readonly now?: () => number;
}

/**
 * Keeps the policy that was chosen. A file is followed only under the key that was chosen with it; one that is not good
 * changes nothing, and it is said what was wrong with it. Nobody guesses a region: without a choice there is no policy.
 */
export class PolicyStore {
  readonly #options: PolicyStoreOptions;
  readonly #now: () => number;
  readonly #file: string;
  /** The one that was in force before. */
  readonly #before: string;
  readonly #choice: string;
  #inForce: PolicyInForce | null = null;
  #problem: string | null = null;

  /** @throws ClearError when what was kept cannot be read any more: to filter less than was chosen is not for us to decide */
  constructor(options: PolicyStoreOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    mkdirSync(options.directory, { recursive: true, mode: 0o700 });
    this.#file = join(options.directory, "policy.txt");
    this.#before = join(options.directory, "policy-before.txt");
    this.#choice = join(options.directory, "policy-choice.json");
    if (existsSync(this.#choice)) this.#restore();
  }

  get inForce(): PolicyInForce | null {
    return this.#inForce;
  }

  /** What is wrong with the last file that was offered, or with the one in force; null when nothing is. */
  get problem(): string | null {
    return this.#expiry() ?? this.#problem;
  }

  /**
   * Follows a policy from now on, under the key that is chosen with it.
   * @throws ClearError when it is not good; then the one before stays in force
   */
  choose(text: string, key: string, age: number | null): RegionalPolicy {
    const reading = readPolicy(text, {
      key,
      verify: verifySignature,
      now: this.#now(),
      inForce: this.#versionInForce(),
    });
    if (reading.kind === "refused") {
      this.#refuse(reading.why, reading.sentence);
      throw new ClearError(`${reading.sentence} ${this.#staysInForce()}`);
    }
    if (this.#inForce) renameSync(this.#file, this.#before);
    this.#write(this.#file, text);
    this.#write(this.#choice, JSON.stringify({ version: 1, key, age }));
    this.#problem = null;
    this.#inForce = new PolicyInForce(reading.policy, age);
    this.#tellInForce("in force");
    return reading.policy;
  }

  /** Follows no policy any more. */
  remove(): void {
    // The choice first: without it the file means nothing.
    rmSync(this.#choice, { force: true });
    for (const path of [this.#file, this.#before]) rmSync(path, { force: true });
    this.#inForce = null;
    this.#problem = null;
    this.#options.tell({ kind: "removed", why: null, sentence: "No regional policy is in force any more." });
  }

  /** A file that was damaged on the disk gives way to the one that was in force before it. */
  #restore(): void {
    const { key, age } = this.#readChoice();
    for (const path of [this.#file, this.#before]) {
      const reading = this.#readKept(path, key);
      if (reading.kind === "good") {
        this.#inForce = new PolicyInForce(reading.policy, age);
        this.#tellInForce("kept");
        const expiry = this.#expiry();
        if (expiry !== null) this.#options.tell({ kind: "expired", why: "expired", sentence: expiry });
        return;
      }
      this.#refuse(reading.why, `${path}: ${reading.sentence}`);
    }
    throw new ClearError(
      `The policy that was chosen is damaged. Give it again with atlantic policy use, or delete ${this.#choice} to follow none.`,
    );
  }

  /** What was good on the day of its issue stays in force when it expires: only a newer one ends it, or the person. */
  #readKept(path: string, key: string): PolicyReading {
    const text = existsSync(path) ? readFileSync(path, "utf8") : "";
    const now = Date.parse(issuedOf(text) ?? "") || this.#now();
    return readPolicy(text, { key, verify: verifySignature, now, inForce: null });
  }

  #expiry(): string | null {
    const policy = this.#inForce?.policy;
    if (policy === undefined || Date.parse(policy.expires) > this.#now()) return null;
    return `The policy ${policy.id} expired on ${policy.expires.slice(0, 10)} and stays in force until a newer one comes: ask its operator for it.`;
  }

  #versionInForce(): Pick<RegionalPolicy, "id" | "version"> | null {
    return this.#inForce?.policy ?? null;
  }

  #staysInForce(): string {
    const policy = this.#inForce?.policy;
    return policy === undefined
      ? "No policy is in force."
      : `Version ${policy.version} of ${policy.id} stays in force.`;
  }

  #refuse(why: PolicyRefusal, sentence: string): void {
    this.#problem = sentence;
    this.#options.tell({ kind: "refused", why, sentence: `${sentence} ${this.#staysInForce()}` });
  }

  #tellInForce(kind: "in force" | "kept"): void {
    for (const sentence of this.#inForce?.explain() ?? []) this.#options.tell({ kind, why: null, sentence });
  }

  #readChoice(): z.infer<typeof choiceSchema> {
    try {
      return choiceSchema.parse(JSON.parse(this.#read(this.#choice)));
    } catch (cause) {
      throw new ClearError(
        `${this.#choice} is damaged: choose the policy again, or delete the file to follow none.`,
        { cause },
      );
    }
  }

  #read(path: string): string {
    try {
      return readFileSync(path, "utf8");
    } catch (cause) {
      throw new ClearError(
        `${path} cannot be read, and a policy was chosen: choose it again with atlantic policy use.`,
        { cause },
      );
    }
  }

  #write(path: string, text: string): void {
    const beside = `${path}.${process.pid}.new`;
    writeFileSync(beside, text, { mode: 0o600, flush: true });
    renameSync(beside, path);
  }
}

function issuedOf(text: string): string | undefined {
  try {
    const body: unknown = JSON.parse(text.slice(text.indexOf("\n") + 1));
    return z.object({ issued: z.string() }).safeParse(body).data?.issued;
  } catch {
    return undefined;
  }
}
