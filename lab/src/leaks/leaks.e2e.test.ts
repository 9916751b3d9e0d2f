import { describe, expect, test } from "vitest";
import { labProblem } from "../requirements.ts";
import { shapes } from "./matrix.ts";
import { phases } from "./phases.ts";
import { runMatrix } from "./run-matrix.ts";

// Elsewhere the test run lists the lab as untested; under CI a lab that cannot run is a failure.
const canRun = labProblem() === undefined || process.env.CI === "true";

/** Every way and protocol, at one port for names and one for the rest. */
const few = shapes.filter(({ port }) => port === 0 || port === 53 || port === 1337);
const named = (...names: string[]) => phases.filter(({ name }) => names.includes(name));

describe.runIf(canRun)("the leak matrix", () => {
  test("nothing leaves the machine but what the policy allows, in any state, and the control sees every probe", async () => {
    const chosen = named(
      "early boot",
      "connected, routes up",
      "connected, local network allowed",
      "split, all-but, device routed",
      "split, only, device routed",
      "while the state changes",
      "connected, link plugged in",
      "connected, a link with the device's name",
    );
    const report = await runMatrix({ shapes: few, phases: chosen });
    expect(report).toMatchObject({ leaked: 0, broken: 0, control: report.cases });
    expect(report.cases).toBe(few.length * chosen.length);
  });

  test("a firewall that does nothing is found out: every case leaks", async () => {
    const [phase] = named("connecting");
    const report = await runMatrix({ shapes: few, phases: phase ? [phase] : [], rules: "none" });
    const unseen = few.filter(({ way }) => way === "right mark, to the upstream").length;
    expect(report.control).toBe(report.cases);
    expect(report.leaked).toBeGreaterThanOrEqual(report.cases - unseen);
  });
});
