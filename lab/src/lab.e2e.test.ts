import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { conversations } from "./capture/conversations.ts";
import { checkLab } from "./check.ts";
import { createLab, type Lab } from "./lab.ts";
import { labFolder } from "./lab-name.ts";
import { run } from "./net/run.ts";
import { labProblem } from "./requirements.ts";

// Elsewhere the test run lists the lab as untested; under CI a lab that cannot run is a failure.
const canRun = labProblem() === undefined || process.env.CI === "true";

describe.runIf(canRun)("the lab", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await createLab();
  });
  afterAll(() => lab.close());

  test("each site sees the address of the exit that was used, and nothing leads out", async () => {
    const wrong = (await checkLab(lab)).filter(({ good }) => !good);
    expect(wrong).toEqual([]);
  });

  test("a capture counts the payload to the byte, in both directions", async () => {
    const capture = await lab.capture("client");
    const bytes = 3_000_000;
    const argv = ["curl", "-sS", "-o", "/dev/null", "-w", "%{size_request} %{size_header}", "--http1.1"];
    const { stdout } = await lab.exec("client", [...argv, `http://cdn.lab.test/bytes/${bytes}`]);
    const [requestBytes = 0, headerBytes = 0] = stdout.split(" ").map(Number);
    const flows = conversations(await capture.stop());
    expect(flows).toEqual([
      expect.objectContaining({
        client: lab.address("client"),
        serverPort: 80,
        sentBytes: requestBytes,
        receivedBytes: headerBytes + bytes,
      }),
    ]);
  });

  test("two labs at once do not disturb each other, and each removes only itself", async () => {
    const other = await createLab();
    expect(other.namespaces.client).not.toBe(lab.namespaces.client);
    await other.close();
    expect(existsSync(`/run/netns/${other.namespaces.client}`)).toBe(false);
    expect(existsSync(`/etc/netns/${other.namespaces.client}`)).toBe(false);
    const { code } = await lab.exec("client", ["curl", "-sS", "http://shop.lab.test/address"]);
    expect(code).toBe(0);
  });

  test("what a killed process leaves is removed by the next lab", async () => {
    const script = `import("${import.meta.dirname}/lab.ts").then(async ({ createLab }) => {
      const lab = await createLab();
      console.log(lab.namespaces.client);
      process.kill(process.pid, "SIGKILL");
    })`;
    const { stdout } = await run([process.execPath, "-e", script]);
    const left = stdout.trim();
    expect(existsSync(`/run/netns/${left}`)).toBe(true);
    const next = await createLab();
    expect(existsSync(`/run/netns/${left}`)).toBe(false);
    expect(existsSync(labFolder(left.replace(/-client$/, "")))).toBe(false);
    await next.close();
  });
});
