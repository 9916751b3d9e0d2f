import { z } from "zod";
import type { LabExit } from "./exits/exit.ts";
import type { Lab } from "./lab.ts";
import { nodeOf, nodes } from "./topology.ts";

/** The names that sites answer to. */
const siteNames = nodeOf("sites").names;

/** One thing that the self-check looked at. */
export interface Finding {
  readonly what: string;
  readonly good: boolean;
  /** What was seen. */
  readonly detail: string;
}

/** Looks whether the lab is what it says: each exit shows its own address to each site, and there is no way out. */
export async function checkLab(lab: Lab): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const exit of lab.exits) {
    for (const name of siteNames) {
      for (const scheme of ["http", "https"])
        findings.push(await checkExit(lab, exit, `${scheme}://${name}/address`));
    }
  }
  findings.push(await checkDirect(lab), ...(await checkNoWayOut(lab)));
  return findings;
}

/** The argument for curl's `-x` that goes through an exit with its credential; names are resolved by the exit. */
export function proxyUrl(exit: LabExit): string {
  const scheme = exit.protocol === "http" ? "http" : "socks5h";
  return `${scheme}://${exit.username}:${exit.password}@${exit.address}:${exit.port}`;
}

async function checkExit(lab: Lab, exit: LabExit, url: string): Promise<Finding> {
  const seen = await addressSeen(lab, url, ["-x", proxyUrl(exit)]);
  const what = `${url} through ${exit.program} (${exit.country})`;
  return { what, good: seen === exit.address, detail: `the site saw ${seen}` };
}

async function checkDirect(lab: Lab): Promise<Finding> {
  const url = `http://${siteNames[0]}/address`;
  const seen = await addressSeen(lab, url, []);
  return { what: `${url} directly`, good: seen === lab.address("client"), detail: `the site saw ${seen}` };
}

const answerSchema = z.object({ address: z.string() });

async function addressSeen(lab: Lab, url: string, proxy: readonly string[]): Promise<string> {
  const trust = ["--cacert", lab.certificates.authority];
  const argv = ["curl", "-sS", "-m", "10", ...trust, ...proxy, url];
  const { code, stdout, stderr } = await lab.exec("client", argv);
  return code === 0 ? answerSchema.parse(JSON.parse(stdout)).address : `nothing (${stderr.trim()})`;
}

const linksSchema = z.array(z.object({ ifname: z.string() }));
const routesSchema = z.array(z.object({ dst: z.string() }));

/** A packet can leave a namespace by a link only, and the router by a route only: neither leads outside. */
async function checkNoWayOut(lab: Lab): Promise<Finding[]> {
  const links = async (role: Parameters<Lab["exec"]>[0]) => {
    const { stdout } = await lab.exec(role, ["ip", "-j", "link"]);
    return linksSchema
      .parse(JSON.parse(stdout))
      .map(({ ifname }) => ifname)
      .sort();
  };
  const findings: Finding[] = [];
  for (const { role } of nodes) findings.push(linksFinding(role, await links(role), ["eth0", "lo"]));
  findings.push(
    linksFinding("router", await links("router"), ["lo", ...nodes.map(({ role }) => role)].sort()),
  );
  for (const family of ["-4", "-6"]) {
    const { stdout } = await lab.exec("router", ["ip", "-j", family, "route", "show", "default"]);
    const routes = routesSchema.parse(JSON.parse(stdout || "[]"));
    const what = `the router has no default route (${family === "-4" ? "IPv4" : "IPv6"})`;
    findings.push({ what, good: routes.length === 0, detail: `${routes.length} found` });
  }
  return findings;
}

function linksFinding(role: string, present: readonly string[], expected: readonly string[]): Finding {
  const good = present.join() === expected.join();
  return { what: `${role} has no link out of the lab`, good, detail: present.join(", ") };
}

/** The findings as a table for people. */
export function describeFindings(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ what }) => what.length));
  const lines = findings.map(
    ({ what, good, detail }) => `${good ? "good" : "BAD "}  ${what.padEnd(width)}  ${detail}`,
  );
  const bad = findings.filter(({ good }) => !good).length;
  return [
    ...lines,
    bad === 0 ? "The lab is as it should be." : `${bad} of ${findings.length} are wrong.`,
    "",
  ].join("\n");
}
