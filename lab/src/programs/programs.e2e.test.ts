import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { labProblem } from "../requirements.ts";
import { curlHttp1, curlHttp2 } from "./curl.ts";
import { http3, quicServer } from "./http3.ts";
import { runPrograms } from "./run-programs.ts";
import { smtp } from "./smtp.ts";
import { transfer } from "./transfer.ts";
import { udpFirst } from "./udp-first.ts";

// Elsewhere the test run lists the lab as untested; under CI a lab that cannot run is a failure.
const inCi = process.env.CI === "true";
const canRun = labProblem() === undefined || inCi;

const hasQuicServer = existsSync(quicServer) || inCi;
const programs = [curlHttp1, curlHttp2, udpFirst, ...(hasQuicServer ? [http3(1)] : []), smtp, transfer];

describe.runIf(canRun)("real programs on a protected machine", () => {
  test("work over both address families, with servers that speak first, when HTTP/3 is refused, and to the byte", async () => {
    const { control, results } = await runPrograms({
      upstream: "socks5",
      programs,
      transferBytes: 20_000_000,
    });
    expect(results.filter(({ problem }) => problem !== null)).toEqual([]);
    expect(results.map(({ program }) => program)).toEqual(programs.map(({ name }) => name));
    // Nothing beside the tunnel, to a counter that sees what is there.
    expect(results.reduce((sum, { beside }) => sum + beside, 0)).toBe(0);
    expect(control).toBeGreaterThan(10);
    for (const { program, flows } of results) expect(flows, program).toBeGreaterThan(0);
  });
});
