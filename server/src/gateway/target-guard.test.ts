import { describe, expect, test } from "vitest";
import { TargetGuard } from "./target-guard.ts";

const answers: Record<string, readonly string[]> = {
  "site.example": ["1.1.1.1", "2606:4700::1111"],
  "rebinding.example": ["1.1.1.1", "127.0.0.1"],
  "inside.example": ["10.0.0.5"],
  "0x7f.1": ["127.0.0.1"],
  "empty.example": [],
};

const guard = new TargetGuard({
  allow: ["127.0.0.1:9000", "127.0.0.1:7777"],
  hosts: { "echo.atlantic.test:80": "127.0.0.1:4000" },
  ownPorts: [7777],
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

  test("leads a name of the host table to its own address and port", () => {
    expect(guard.check("ECHO.atlantic.test", 80)).toMatchObject({
      addresses: ["127.0.0.1"],
      addressPort: 4000,
    });
  });
});
