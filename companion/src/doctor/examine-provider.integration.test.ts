import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { providerEntrySchema } from "@atlantic/shared/exits/adapters/provider-adapters.ts";
import { afterEach, describe, expect, test } from "vitest";
import { examineProvider, type HowToAsk } from "./examine-provider.ts";
import {
  type AskedOfFake,
  type FakeGrammar,
  type FakeProvider,
  type FakeRefusal,
  startFakeProvider,
} from "./testing/fake-provider.ts";

const command = fileURLToPath(new URL("../../bin/atlantic.mjs", import.meta.url));

const started: FakeProvider[] = [];
afterEach(() => {
  for (const fake of started.splice(0)) fake.close();
});

async function fakeWith(grammar: FakeGrammar): Promise<FakeProvider> {
  const fake = await startFakeProvider(grammar);
  started.push(fake);
  return fake;
}

/** Tries an entry at a fake, whose clock goes on while the probe waits. */
async function examined(fake: FakeProvider, entry: Record<string, unknown>, how: Partial<HowToAsk> = {}) {
  const parsed = providerEntrySchema.parse({ ...entry, host: "127.0.0.1", port: fake.port });
  const findings = await examineProvider(
    { kind: parsed.kind, name: parsed.name, entry: parsed },
    {
      onlyConnect: false,
      checkUrl: new URL("http://check.test/address"),
      wait: async (ms) => fake.pass(ms),
      ...how,
    },
  );
  return Object.fromEntries(
    findings.map(({ name, verdict, detail, remedy }) => [name, { verdict, detail, remedy }]),
  );
}

const denied: FakeRefusal = {
  status: 407,
  reason: "Access denied",
  headers: { "X-Error-Description": "user authentication failed" },
};
const unsupported: FakeRefusal = {
  status: 400,
  reason: "Bad request",
  headers: { "X-Error-Description": "Unsupported parameters were used." },
};

/** Oxylabs as its pages have it; `asnKey` is the one it understands. */
function oxylabsThat(asnKey: "ASN" | "asn", more: Partial<AskedOfFake> = {}): FakeGrammar {
  return (username, password) => {
    const [customer, user, ...words] = username.split("-");
    if (customer !== "customer" || user !== "acme" || password !== "hunter2") return denied;
    const read: Record<string, string> = {};
    for (let index = 0; index < words.length; index += 2) read[words[index] ?? ""] = words[index + 1] ?? "";
    const known = ["cc", "city", "st", "postalcode", asnKey, "sessid", "sesstime", "sessid_oneip"];
    if (Object.keys(read).some((key) => !known.includes(key))) return unsupported;
    return { country: read.cc?.toLowerCase(), session: read.sessid, ...more };
  };
}

const oxylabs = { kind: "oxylabs", username: "acme", password: "hunter2" };

describe("a provider that speaks as its pages say", () => {
  test("is found right in everything", async () => {
    const findings = await examined(await fakeWith(oxylabsThat("ASN")), oxylabs, { country: "de" });
    expect(Object.values(findings).map(({ verdict }) => verdict)).toEqual(Array(5).fill("good"));
    expect(findings["oxylabs: country de"]?.detail).toMatch(/^A site saw 203\.0\.113\.\d+, in DE\.$/);
    expect(findings["oxylabs: session"]?.detail).toMatch(/^Two connections had one address/);
    expect(findings["oxylabs: Is the key of a network number written in capitals?"]?.detail).toBe(
      "ASN works, and ASN is configured.",
    );
    expect(findings["oxylabs: spelling"]?.detail).toBe("All of it follows the provider's own pages.");
  });

  test("by SOCKS5 as well, with what is asked for behind the password", async () => {
    const fake = await fakeWith((username, password) => {
      const [secret, ...parts] = password.split("_");
      if (username !== "acme" || secret !== "hunter2") return denied;
      const read = Object.fromEntries(parts.map((part) => part.split("-", 2)));
      return { country: read.country, session: read.session };
    });
    const findings = await examined(fake, {
      kind: "iproyal",
      username: "acme",
      password: "hunter2",
      protocol: "socks5",
    });
    expect(findings["iproyal: connection"]?.verdict).toBe("good");
    expect(findings["iproyal: country us"]?.verdict).toBe("good");
    expect(findings["iproyal: session"]?.verdict).toBe("good");
    expect(findings["iproyal: spelling"]).toMatchObject({
      verdict: "warning",
      detail: expect.stringContaining("continent"),
    });
  });

  test.each([
    ["seconds", 1],
    ["minutes", 60],
  ] as const)("is found out to count its sessions in %s", async (right, factor) => {
    const fake = await fakeWith((username) => {
      const words = username.split("-");
      const after = (key: string) => (words.includes(key) ? words[words.indexOf(key) + 1] : undefined);
      const length = after("sessionlength");
      return {
        country: after("country"),
        session: after("sessionid"),
        ...(length !== undefined && { seconds: Number(length) * factor }),
      };
    });
    const findings = await examined(fake, { kind: "soax", packageId: "1", password: "key" });
    const finding = findings["soax: Does sessionlength count seconds or minutes?"];
    if (right === "seconds")
      expect(finding).toMatchObject({ verdict: "good", detail: "seconds works, and seconds is configured." });
    else
      expect(finding).toMatchObject({
        verdict: "bad",
        remedy: 'Set "sessionLengthUnit": "minutes" in its entry.',
      });
  });
});

describe("what is wrong is said with what to do", () => {
  test("another letter case of the network's key", async () => {
    const findings = await examined(await fakeWith(oxylabsThat("asn")), oxylabs);
    expect(findings["oxylabs: Is the key of a network number written in capitals?"]).toEqual({
      verdict: "bad",
      detail: "asn works, ASN is configured.",
      remedy: 'Set "asnKey": "asn" in its entry.',
    });
  });

  test("a wrong password, and nothing more is asked", async () => {
    const fake = await fakeWith(oxylabsThat("ASN"));
    const findings = await examined(fake, { ...oxylabs, password: "wrong" });
    expect(findings["oxylabs: connection"]).toMatchObject({
      verdict: "bad",
      detail: expect.stringContaining("It answered 407: upstream_denied."),
      remedy: "Check the account in its entry.",
    });
    expect(fake.logins).toHaveLength(1);
    expect(JSON.stringify(findings)).not.toMatch(/wrong|acme/);
  });

  test("a wrong password by SOCKS5", async () => {
    const fake = await fakeWith(oxylabsThat("ASN"));
    const findings = await examined(fake, { ...oxylabs, password: "wrong", protocol: "socks5" });
    expect(findings["oxylabs: connection"]).toMatchObject({
      verdict: "bad",
      remedy: "Check the account in its entry.",
    });
  });

  test("another country than the one that was asked for", async () => {
    const fake = await fakeWith(oxylabsThat("ASN", { country: "fr" }));
    const findings = await examined(fake, oxylabs, { country: "de", onlyConnect: true });
    expect(findings["oxylabs: country de"]).toMatchObject({
      verdict: "bad",
      detail: expect.stringMatching(/asked for DE, and a site saw .*, in FR\.$/),
    });
  });

  test("a session whose address does not stay", async () => {
    const fake = await fakeWith(oxylabsThat("ASN", { session: undefined }));
    const findings = await examined(fake, oxylabs);
    expect(findings["oxylabs: session"]).toMatchObject({
      verdict: "bad",
      detail: expect.stringContaining(" and "),
    });
  });

  test("nobody listens there", async () => {
    const fake = await fakeWith(oxylabsThat("ASN"));
    fake.close();
    const findings = await examined(fake, oxylabs);
    expect(findings["oxylabs: connection"]).toMatchObject({
      verdict: "bad",
      remedy: "Check host, port and protocol in its entry.",
    });
  });
});

describe("atlantic doctor --provider", () => {
  let directory: string;
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  test("asks a page by https through the tunnel, and believes no certificate but a good one", async () => {
    const keys = mkdtempSync(join(tmpdir(), "atlantic-doctor-keys-"));
    const [key, cert] = [join(keys, "key.pem"), join(keys, "cert.pem")];
    execFileSync(
      "openssl",
      [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"],
        ...[
          "-subj",
          "/CN=check.test",
          "-addext",
          "subjectAltName=DNS:check.test",
          "-keyout",
          key,
          "-out",
          cert,
        ],
      ],
      { stdio: "ignore" },
    );
    const tls = { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
    const fake = await startFakeProvider(oxylabsThat("ASN"), tls);
    started.push(fake);
    const file = { upstreams: [{ ...oxylabs, host: "127.0.0.1", port: fake.port }] };
    const words = ["--provider", "oxylabs", "--only-connect", "--check-url", "https://check.test/"];
    const distrusted = await atlantic(file, ...words);
    expect(distrusted.out).toMatch(/^BAD {3}oxylabs: connection: /m);
    process.env.NODE_EXTRA_CA_CERTS = cert;
    const trusted = await atlantic(file, ...words);
    delete process.env.NODE_EXTRA_CA_CERTS;
    expect(trusted).toMatchObject({ code: 0, err: "" });
    expect(trusted.out).toMatch(/^ok {4}oxylabs: country us: A site saw 203\.0\.113\.\d+, in US\./m);
    rmSync(keys, { recursive: true });
  });

  function atlantic(file: unknown, ...words: string[]): Promise<{ code: number; out: string; err: string }> {
    directory = mkdtempSync(join(tmpdir(), "atlantic-doctor-"));
    mkdirSync(join(directory, "server"));
    writeFileSync(
      join(directory, "server", "upstreams.json"),
      typeof file === "string" ? file : JSON.stringify(file),
    );
    const env = { ...process.env, ATLANTIC_DATA: directory };
    return new Promise((resolve) => {
      execFile(process.execPath, [command, "doctor", ...words], { env }, (error, out, err) => {
        resolve({ code: typeof error?.code === "number" ? error.code : 0, out, err });
      });
    });
  }

  test("reads the accounts of this machine, and prints no secret of them", async () => {
    const fake = await fakeWith(oxylabsThat("ASN"));
    const entry = { ...oxylabs, name: "first", host: "127.0.0.1", port: fake.port };
    const file = { upstreams: [{ kind: "local" }, entry, { ...entry, name: "second", password: "wrong" }] };
    const url = ["--check-url", "http://check.test/"];
    const { code, out, err } = await atlantic(file, "--provider", "all", "--only-connect", ...url);
    expect({ code, err }).toEqual({ code: 1, err: "" });
    expect(out).toMatch(/^ok {4}first: connection: http:\/\/127\.0\.0\.1:\d+ takes this account/m);
    expect(out).toMatch(/^BAD {3}second: connection: .*upstream_denied/m);
    expect(out).not.toMatch(/hunter2|wrong|acme/);
    const json = await atlantic(file, "--provider", "first", "--only-connect", "--json", ...url);
    expect(json.code).toBe(0);
    expect(JSON.parse(json.out)).toContainEqual(
      expect.objectContaining({ name: "first: country us", verdict: "good" }),
    );
  });

  test.each<[unknown, string[], string]>([
    [
      { upstreams: [oxylabs] },
      ["--provider", "decodo"],
      'No upstream with an account is called "decodo". There are: oxylabs.',
    ],
    ["{ hunter2", ["--provider", "all"], "is not JSON"],
    [
      { upstreams: [{ ...oxylabs, port: "hunter2" }] },
      ["--provider", "all"],
      "is wrong at upstreams.0: port.",
    ],
    [{ upstreams: [oxylabs] }, ["--provider", "all", "--country", "germany"], "--country takes two letters"],
    [
      { upstreams: [oxylabs] },
      ["--provider", "all", "--check-url", "ftp://x"],
      "--check-url takes a http or https address",
    ],
  ])("says in one sentence what it cannot do: %#", async (file, words, sentence) => {
    const { code, err, out } = await atlantic(file, ...words);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toContain(sentence);
    expect(err).not.toContain("hunter2");
    expect(err.trim().split("\n")).toHaveLength(1);
  });
});
