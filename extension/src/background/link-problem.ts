/** What Chrome and Firefox say where no file names the companion to them. */
const UNKNOWN_HOST = /native messaging host not found|No such native application/i;

/**
 * Why the link to the companion ended, for people.
 * @param said what the browser says; undefined when the other end hung up
 */
export function linkProblem(said: string | undefined): string {
  if (said === undefined) return "The companion closed the link.";
  if (!UNKNOWN_HOST.test(said)) return said;
  return "This browser does not know the companion yet. Once, in the same folder: npx atlantic pair --register";
}
