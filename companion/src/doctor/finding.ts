/** One thing that the doctor looked at. */
export interface Finding {
  readonly name: string;
  readonly verdict: "good" | "warning" | "bad";
  readonly detail: string;
  /** What to do about it. */
  readonly remedy: string | null;
}

export function good(name: string, detail: string): Finding {
  return { name, verdict: "good", detail, remedy: null };
}

export function warning(name: string, detail: string, remedy: string | null): Finding {
  return { name, verdict: "warning", detail, remedy };
}

export function bad(name: string, detail: string, remedy: string): Finding {
  return { name, verdict: "bad", detail, remedy };
}
