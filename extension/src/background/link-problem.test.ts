import { expect, test } from "vitest";
import { linkProblem } from "./link-problem.ts";

test("a browser that was never told of the companion says what to type", () => {
  const chrome = linkProblem("Specified native messaging host not found.");
  expect(chrome).toContain("npx atlantic pair --register");
  expect(linkProblem("No such native application org.atlantic_proxy.companion")).toBe(chrome);
});

test("what else the browser says stays as it is", () => {
  expect(linkProblem("Native host has exited.")).toBe("Native host has exited.");
  expect(linkProblem(undefined)).toBe("The companion closed the link.");
});
