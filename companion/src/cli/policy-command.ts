import { generateKeyPairSync } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import {
  type PolicyReading,
  policySchema,
  readPolicy,
  writePolicy,
} from "@atlantic/shared/blocking/policy/policy-file.ts";
import type { Command } from "commander";
import { ClearError } from "../clear-error.ts";
import { PolicyInForce } from "../dns/compliance/policy-in-force.ts";
import { signPolicy, verifySignature } from "../dns/compliance/policy-signature.ts";
import { type CommandContext, show, withCompanion } from "./command-context.ts";
import { namesInWords } from "./dns-command.ts";

/** `atlantic policy`: which rules a region or an operator sets, signed. */
export function addPolicy(root: Command, context: () => CommandContext): void {
  const policy = root.command("policy").description("a region's signed rules of filtering");
  policy
    .command("use")
    .description("follow a policy file from now on")
    .argument("<file>")
    .requiredOption("--key <base64>", "its operator's public key, as you know it from elsewhere")
    .option("--age <years>", "how old the audience is, for rules by age")
    .action((file: string, options: { key: string; age?: string }) => usePolicy(context(), file, options));
  policy
    .command("remove")
    .description("follow no policy any more")
    .action(() =>
      withCompanion(async (client) =>
        show(context(), await client.request("policy.remove", {}), namesInWords),
      ),
    );
  policy
    .command("verify")
    .description("look at a policy file without following it: exit code 1 when it is not good")
    .argument("<file>")
    .option("--key <base64>", "the key that it must be signed with")
    .action((file: string, { key }: { key?: string }) => verifyPolicy(context(), file, key ?? null));
  policy
    .command("sign")
    .description("for operators: sign a policy, JSON, so that companions follow it")
    .argument("<file>", "the policy, as docs/compliance.md describes it")
    .requiredOption("--private-key <pem>", "a file with an Ed25519 private key")
    .option("--new-key", "make the key first: the file must not be there yet")
    .requiredOption("--out <file>", "where the signed policy goes")
    .action((file: string, options: SignOptions) => sign(context(), file, options));
}

interface SignOptions {
  readonly privateKey: string;
  readonly newKey?: boolean;
  readonly out: string;
}

function usePolicy(
  context: CommandContext,
  file: string,
  { key, age }: { key: string; age?: string },
): Promise<void> {
  const text = read(file);
  const years = age === undefined ? null : Number(age);
  if (years !== null && !Number.isSafeInteger(years)) throw new ClearError(`"${age}" is no age in years.`);
  return withCompanion(async (client) =>
    show(context, await client.request("policy.use", { text, key, age: years }), namesInWords),
  );
}

function verifyPolicy(context: CommandContext, file: string, key: string | null): void {
  const reading = readPolicy(read(file), { key, verify: verifySignature, now: Date.now(), inForce: null });
  show(context, reading, (result) => readingInWords(result, key !== null));
  if (reading.kind === "refused") process.exitCode = 1;
}

function readingInWords(reading: PolicyReading, isKnownKey: boolean): string {
  if (reading.kind === "refused") return `Not good: ${reading.sentence}`;
  const key = isKnownKey ? "the key that you gave" : `the key ${reading.key}, which anybody could have made`;
  return [`Good, signed with ${key}.`, ...new PolicyInForce(reading.policy, null).explain()].join("\n");
}

function sign(context: CommandContext, file: string, { privateKey, newKey, out }: SignOptions): void {
  const body = read(file);
  checkPolicy(body, file);
  if (newKey) writeNewKey(privateKey);
  const { key, signature } = signWith(read(privateKey), privateKey, body);
  writeFileSync(out, writePolicy(body, key, signature));
  show(
    context,
    { key, out },
    () => `Signed: ${out}. Its public key, to be given to those who follow it: ${key}`,
  );
}

function checkPolicy(body: string, file: string): void {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    throw new ClearError(`${file} is not JSON.`, { cause });
  }
  const checked = policySchema.safeParse(value);
  if (checked.success) return;
  const where = checked.error.issues.map(
    (issue) => `${issue.path.join(".") || "the whole"}: ${issue.message}`,
  );
  throw new ClearError(`${file} is no policy: ${where.join("; ")}.`);
}

function writeNewKey(path: string): void {
  const { privateKey } = generateKeyPairSync("ed25519");
  try {
    writeFileSync(path, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600, flag: "wx" });
  } catch (cause) {
    throw new ClearError(`${path} is there already, or cannot be written: no key was made.`, { cause });
  }
}

function signWith(pem: string, path: string, body: string): ReturnType<typeof signPolicy> {
  try {
    return signPolicy(pem, body);
  } catch (cause) {
    throw new ClearError(`${path} holds no Ed25519 private key: make one with --new-key.`, { cause });
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new ClearError(`${path} cannot be read.`, { cause });
  }
}
