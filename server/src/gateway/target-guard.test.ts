import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isPublicAddress } from "./address-rules.ts";
import { TargetGuard } from "./target-guard.ts";

const answers: Record<string, readonly string[]> = {
  "site.example": ["1.1.1.1", "2606:4700::1111"],
  "rebinding.example": ["1.1.1.1", "127.0.0.1"],
  "inside.example": ["10.0.0.5"],
  "0x7f.1": ["127.0.0.1"],
  "empty.example": [],
  "alias.example": ["9.9.9.9"],
};

const guard = new TargetGuard({
  allow: ["127.0.0.1:9000", "127.0.0.1:7777"],
  hosts: { "echo.atlantic.test:80": "127.0.0.1:4000" },
  ownPorts: [7777],
  ownExits: [
    { host: "exit.example", port: 7070 },
    { host: "9.9.9.9", port: 7070 },
  ],
  lookup: async (host) => answers[host] ?? Promise.reject(new Error("no such name")),
});

async function codeOf(host: string, port = 443): Promise<string> {
  try {
    await guard.check(host, port);
    return "fine";
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : "?";
  }
}

describe("the guard", () => {
  test("hands out exactly the addresses that it checked", async () => {
    expect(await guard.check("Site.example.", 443)).toEqual({
      host: "site.example",
      port: 443,
      addresses: ["1.1.1.1", "2606:4700::1111"],
      addressPort: 443,
    });
  });

  test.each<[string, number, string]>([
    ["site.example", 443, "fine"],
    ["1.1.1.1", 80, "fine"],
    ["site.example", 25, "forbidden_port"],
    ["1.1.1.1", 465, "forbidden_port"],
    ["1.1.1.1", 587, "forbidden_port"],
    ["rebinding.example", 443, "forbidden_address"],
    ["inside.example", 443, "forbidden_address"],
    ["0x7f.1", 80, "forbidden_address"],
    ["2130706433", 80, "forbidden_address"],
    ["0177.0.0.1", 80, "forbidden_address"],
    ["127.1", 80, "forbidden_address"],
    ["127.0.0.1.", 80, "forbidden_address"],
    ["1.1.1.1.", 80, "fine"],
    ["1.1.1.1..", 80, "dns_error"],
    ["fe80::1%eth0", 80, "forbidden_address"],
    ["2606:4700::1111%eth0", 80, "forbidden_address"],
    ["\uff11\uff12\uff17.0.0.\uff11", 80, "dns_error"],
    ["\u2460\u2461\u2466.0.0.\u2460", 80, "dns_error"],
    ["b\u00fccher.example", 80, "dns_error"],
    ["site.example\r\nx", 80, "dns_error"],
    ["exit.example", 7070, "forbidden_address"],
    ["alias.example", 7070, "forbidden_address"],
    ["::ffff:9.9.9.9", 7070, "forbidden_address"],
    ["64:ff9b::9.9.9.9", 7070, "forbidden_address"],
    ["alias.example", 443, "fine"],
    ["127.0.0.1", 80, "forbidden_address"],
    ["::ffff:127.0.0.1", 80, "forbidden_address"],
    ["169.254.169.254", 80, "forbidden_address"],
    ["127.0.0.1", 9000, "fine"],
    ["127.0.0.1", 7777, "forbidden_address"],
    ["empty.example", 443, "dns_error"],
    ["nowhere.example", 443, "dns_error"],
    ["echo.atlantic.test", 80, "fine"],
    ["echo.atlantic.test", 81, "dns_error"],
  ])("%s:%d → %s", async (host, port, code) => {
    expect(await codeOf(host, port)).toBe(code);
  });

  test("a port that becomes ours is closed for what was checked before, too", async () => {
    const answer = ["127.0.0.1"];
    const growing = new TargetGuard({ allow: ["127.0.0.0/8"], lookup: () => answer });
    expect(await growing.check("here.example", 7000)).toMatchObject({ addresses: answer });
    expect(await growing.check("127.0.0.1", 7000)).toMatchObject({ addresses: answer });
    growing.addOwnPort(7000);
    expect(() => growing.check("here.example", 7000)).toThrow();
    expect(() => growing.check("127.0.0.1", 7000)).toThrow();
  });

  test("leads a name of the host table to its own address and port", () => {
    expect(guard.check("ECHO.atlantic.test", 80)).toMatchObject({
      addresses: ["127.0.0.1"],
      addressPort: 4000,
    });
  });
});

describe("whatever is asked for", () => {
  const octet = fc.integer({ min: 0, max: 255 });
  const inside = fc
    .oneof(
      fc.tuple(fc.constantFrom(0, 10, 127, 224, 240, 255), octet, octet, octet),
      fc.tuple(fc.constant(192), fc.constant(168), octet, octet),
      fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), octet, octet),
      fc.tuple(fc.constant(169), fc.constant(254), octet, octet),
      fc.tuple(fc.constant(100), fc.integer({ min: 64, max: 127 }), octet, octet),
    )
    .map((bytes) => bytes as number[]);
  const hex = (bytes: readonly number[]) => bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const groups = (bytes: readonly number[]) => `${hex(bytes.slice(0, 2))}:${hex(bytes.slice(2))}`;
  const number = (bytes: readonly number[]) => bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  const spellings: ((bytes: readonly number[]) => string)[] = [
    (bytes) => bytes.join("."),
    (bytes) => `${bytes.join(".")}.`,
    (bytes) => `::ffff:${bytes.join(".")}`,
    (bytes) => `::ffff:${groups(bytes)}`,
    (bytes) => `::ffff:0:${groups(bytes)}`,
    (bytes) => `::${groups(bytes)}`,
    (bytes) => `64:ff9b::${groups(bytes)}`,
    (bytes) => `64:ff9b:1::${groups(bytes)}`,
    (bytes) => `2002:${groups(bytes)}::1`,
    (bytes) => `2001:0:${groups(bytes)}::1`,
    (bytes) => String(number(bytes)),
    (bytes) => `0x${hex(bytes)}`,
    (bytes) => bytes.map((byte) => `0x${byte.toString(16)}`).join("."),
    (bytes) => bytes.map((byte) => `0${byte.toString(8)}`).join("."),
    (bytes) => `${bytes[0]}.${number(bytes.slice(1))}`,
  ];

  test("no spelling of an inner address gets through, as a literal or as an answer", async () => {
    const all = new TargetGuard({ lookup: () => ["127.0.0.1"] });
    await fc.assert(
      fc.asyncProperty(inside, fc.constantFrom(...spellings), async (bytes, spell) => {
        const text = spell(bytes);
        await expect(async () => all.check(text, 443)).rejects.toMatchObject({
          code: expect.stringMatching(/forbidden_address|dns_error/),
        });
        expect(isPublicAddress(text)).toBe(false);
      }),
    );
  });

  test("one inner address among the answers condemns them all, at every use", async () => {
    const list = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), octet, octet, octet), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(list, inside, fc.nat(4), async (good, bad, at) => {
        const addresses = good.map((bytes) => bytes.join("."));
        const bare = new TargetGuard({ lookup: () => addresses });
        if (addresses.length > 0) {
          expect(await bare.check("site.example", 443)).toMatchObject({ addresses });
          expect(await bare.check("site.example", 443)).toBe(await bare.check("site.example", 443));
        }
        const mixed = addresses.toSpliced(at, 0, bad.join("."));
        const condemned = new TargetGuard({ lookup: () => mixed });
        for (let use = 0; use < 2; use++) {
          expect(() => condemned.check("site.example", 443)).toThrow(
            expect.objectContaining({ code: "forbidden_address" }),
          );
        }
      }),
    );
  });

  test("nothing but an error of the table comes out, and nothing but names of the DNS is looked up", async () => {
    const asked: string[] = [];
    const open = new TargetGuard({
      lookup: (host) => {
        asked.push(host);
        return ["1.1.1.1"];
      },
    });
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: "binary", maxLength: 300 }),
        fc.integer({ min: 1, max: 65_535 }),
        async (host, port) => {
          const code = await (async () => open.check(host, port))().then(
            () => "fine",
            (error) => error.code,
          );
          expect(["fine", "dns_error", "forbidden_address", "forbidden_port"]).toContain(code);
        },
      ),
    );
    for (const host of asked) expect(host).toMatch(/^[a-z0-9_.-]{1,253}$/);
  });
});
