import { expect, test } from "vitest";
import { ControlFailure } from "../control/control-failure.ts";
import type { Link } from "../control/link.ts";
import { noDesktop } from "./system-proxy-requests.ts";

test("the service of the whole machine opens no proxy without a password for a desktop", async () => {
  const link = {} as Link;
  const wish = { exit: { country: "de" }, desktops: ["gnome" as const], port: 0 };
  const refused = noDesktop["systemProxy.connect"](link, wish);
  await expect(refused).rejects.toThrow(ControlFailure);
  await expect(refused).rejects.toThrow(/atlantic connect/);
  expect(await noDesktop["systemProxy.disconnect"](link, {})).toBeNull();
});
