const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** A name as the sets hold it: lower case, in ASCII, without the last full stop; undefined when it is none. */
export function listName(text: string): string | undefined {
  const lower = text.toLowerCase();
  const bare = lower.endsWith(".") ? lower.slice(0, -1) : lower;
  const ascii = isAscii(bare) ? bare : toAscii(bare);
  if (ascii === undefined || ascii.length === 0 || ascii.length > 253) return undefined;
  const labels = ascii.split(".");
  // An address of version 4 would pass for a name.
  if (/^\d+$/.test(labels.at(-1) ?? "")) return undefined;
  return labels.every((label) => LABEL.test(label)) ? ascii : undefined;
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 127) return false;
  return true;
}

/** What an address could hold beside its host, which alone would be left. */
const NO_NAME = /[/\\?#@:%]/;

function toAscii(text: string): string | undefined {
  return NO_NAME.test(text) ? undefined : URL.parse(`http://${text}`)?.hostname;
}
