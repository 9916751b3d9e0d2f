import { statSync } from "node:fs";
import { type Finding, good, warning } from "./finding.ts";

/** What is wrong with a file that holds passwords, if others than it is meant for can read or change it. */
export function closedFileFinding(name: string, path: string, mode: "600" | "640"): Finding {
  const given = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  const open = given & 0o777 & ~Number.parseInt(mode, 8) & 0o077;
  // Windows has no such modes.
  if (open === 0 || process.platform === "win32") {
    return good(name, mode === "600" ? "Only you can read it." : "Only root and the service can read it.");
  }
  const detail = `Other users of this machine may read the passwords in ${path}.`;
  return warning(name, detail, `chmod ${mode} ${path}`);
}
