import type { api } from "../../api/trpc.ts";

/** What the server keeps. */
export type Limits = Awaited<ReturnType<typeof api.limits.get.query>>;

/** The same as people write it: empty is "as the account", and for the account itself "no limit". */
export interface LimitsText {
  readonly requestsPerSecond: string;
  /** 10^6 bytes, both directions together. */
  readonly megabytesPerSecond: string;
  readonly connections: string;
  /** With commas between them. */
  readonly allowedPorts: string;
  /** One a line, as the next. */
  readonly allowedTargets: string;
  readonly blockedTargets: string;
}

export type LimitsFaults = Partial<Record<keyof LimitsText, string>>;

const UNLIMITED = "unlimited";
const BYTES = 1_000_000n;

export function limitsAsText(limits: Limits): LimitsText {
  const { bandwidthLimit, allowedPorts, allowedTargets, blockedTargets } = limits;
  return {
    requestsPerSecond: String(limits.requestsPerSecond ?? ""),
    megabytesPerSecond:
      bandwidthLimit === null || bandwidthLimit === UNLIMITED
        ? (bandwidthLimit ?? "")
        : inMegabytes(BigInt(bandwidthLimit)),
    connections: String(limits.connections ?? ""),
    allowedPorts: (allowedPorts ?? []).join(", "),
    allowedTargets: (allowedTargets ?? []).join("\n"),
    blockedTargets: blockedTargets.join("\n"),
  };
}

/** Reads what was written; what cannot be read is named with its field. Ports and targets are the server's to judge. */
export function limitsOfText(
  text: LimitsText,
  credentialId: string | null,
): { readonly limits: Limits } | { readonly faults: LimitsFaults } {
  const faults: { -readonly [Field in keyof LimitsFaults]: LimitsFaults[Field] } = {};
  const count = (field: "requestsPerSecond" | "connections", most: number) => {
    const written = word(text[field], credentialId);
    if (written === null || written === UNLIMITED) return written;
    const number = /^\d+$/.test(written) ? Number(written) : 0;
    if (number >= 1 && number <= most) return number;
    faults[field] = `Write a whole number from 1 to ${most.toLocaleString("en")}, or nothing.`;
    return null;
  };
  const bandwidth = word(text.megabytesPerSecond, credentialId);
  const bytes = bandwidth === null || bandwidth === UNLIMITED ? bandwidth : bytesOf(bandwidth);
  if (bytes === undefined)
    faults.megabytesPerSecond = "Write a number such as 2.5, from 0.001 on, or nothing.";
  const limits: Limits = {
    credentialId,
    requestsPerSecond: count("requestsPerSecond", 100_000),
    bandwidthLimit: bytes ?? null,
    connections: count("connections", 5_000),
    allowedPorts: orNull(text.allowedPorts.split(/[\s,]+/)),
    allowedTargets: orNull(text.allowedTargets.split(/\s+/)),
    blockedTargets: orNull(text.blockedTargets.split(/\s+/)) ?? [],
  };
  return Object.keys(faults).length === 0 ? { limits } : { faults };
}

/** The field that a sentence of the server is about: it begins with the field's name. */
export function faultsOf(sentence: string): LimitsFaults {
  const [, field, rest = ""] = /^(\w+): (.*)$/s.exec(sentence) ?? [];
  const fields = { allowedPorts: rest, allowedTargets: rest, blockedTargets: rest };
  return field !== undefined && Object.hasOwn(fields, field) ? { [field]: rest } : {};
}

/** For the account itself, unlimited is what nothing means. */
function word(written: string, credentialId: string | null): string | null {
  const text = written.trim().toLowerCase();
  if (text === "" || (text === UNLIMITED && credentialId === null)) return null;
  return text;
}

function orNull(words: readonly string[]): string[] | null {
  const written = words.filter((one) => one !== "");
  return written.length === 0 ? null : written;
}

function inMegabytes(bytes: bigint): string {
  const parts = String(bytes % BYTES)
    .padStart(6, "0")
    .replace(/0+$/, "");
  return parts === "" ? String(bytes / BYTES) : `${bytes / BYTES}.${parts}`;
}

function bytesOf(megabytes: string): string | undefined {
  const [, whole, parts = ""] = /^(\d{1,6})(?:[.,](\d{1,6}))?$/.exec(megabytes) ?? [];
  if (whole === undefined) return undefined;
  const bytes = BigInt(whole) * BYTES + BigInt(parts.padEnd(6, "0"));
  return bytes < 1_000n ? undefined : String(bytes);
}
