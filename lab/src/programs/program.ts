import { z } from "zod";
import { addresses } from "../leaks/machine.ts";
import type { NamespaceProcess } from "../net/namespace-process.ts";
import type { RunOptions } from "../net/run.ts";

/** Where programs are tried: a machine whose traffic goes through the tunnel, and sites outside. */
export interface ProgramPlace {
  /** Of this run alone; removed with the machine. */
  readonly folder: string;
  /** What TLS clients must trust, PEM. */
  readonly authority: string;
  /** What the sites show, and its key: files, PEM. */
  readonly certificate: string;
  readonly key: string;
  /** How much the large transfer moves in each direction. */
  readonly transferBytes: number;
  /** Runs a program on the machine under test to its end; it must succeed. Returns what it printed. */
  onMachine(argv: readonly string[], options?: RunOptions): Promise<string>;
  /** Starts a program outside, where the sites are. It is ended with the machine. */
  outside(argv: readonly string[]): NamespaceProcess;
}

/** A real program that is used through the tunnel. */
export interface Program {
  readonly name: string;
  /** `host:port` that the upstream must have been asked for. */
  readonly targets: readonly string[];
  /** Starts what it talks to, once for each machine. */
  serve?(place: ProgramPlace): Promise<void>;
  /** What it does without the product, to know that the tunnel is what makes the difference. Throws when it does not. */
  directly?(place: ProgramPlace): Promise<void>;
  /** @returns what was seen, in a few words. Throws when it is not as without a tunnel. */
  use(place: ProgramPlace): Promise<string>;
}

/** Names of sites; only the upstream can resolve them. Those of the lab proper end in .test, which no resolver asks for. */
export const sites = {
  shop: { name: "shop.lab.example.net", address: "100.100.1.80" },
  mail: { name: "mail.lab.example.net", address: "100.100.1.25" },
  bulk: { name: "bulk.lab.example.net", address: "100.100.1.81" },
  speed: { name: "speed.lab.example.net", address: "100.100.1.82" },
  git: { name: "git.lab.example.net", address: "100.100.1.83" },
  pages: { name: "pages.lab.example.net", address: "100.100.1.85" },
  mirror: { name: "mirror.lab.example.net", address: "100.100.1.84" },
} as const;

/** @throws Error that says what was expected and what came */
export function expectSame(what: string, found: unknown, expected: unknown): void {
  if (found !== expected)
    throw new Error(`${what}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}.`);
}

const siteSawSchema = z.object({ address: z.string(), host: z.string() });

/** Reads what a site says of whom it saw. */
export function siteSaw(body: string): z.infer<typeof siteSawSchema> {
  return siteSawSchema.parse(JSON.parse(body));
}

/** What a site says of whom it saw: the name that was asked for, and never the machine. */
export function expectHidden(body: string, name: string): void {
  const { address, host } = siteSaw(body);
  expectSame("The Host that the site saw", host, name);
  if (address === addresses.machine[4] || address === addresses.machine[6])
    throw new Error("The site saw the machine's own address.");
}
