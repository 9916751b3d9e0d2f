/** Stands where the server leaves a password out. */
const PLACEHOLDER = "••••";

/** A line from the server with the password in its place. */
export function withPassword(line: string, password: string): string {
  return line.replaceAll(PLACEHOLDER, password);
}
