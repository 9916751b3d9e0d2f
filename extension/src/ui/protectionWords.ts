import type { ProtectionFinding, ProtectionView } from "@atlantic/shared/control/protection.ts";

/** How the protection of the whole computer stands, for people: a word, a title, and a sentence that says why. */
export interface ProtectionWords {
  readonly tone: "on" | "blocked" | "attention" | "direct";
  /** For the pill and the row. */
  readonly word: string;
  readonly title: string;
  readonly sentence: string;
  /** Nothing else matters now: traffic is held back, or cannot be held back. */
  readonly isHeld: boolean;
}

/** `null`: the companion runs without privilege. `programs`: where the desktop's proxy settings lead, if anywhere. */
export function protectionWords(
  protection: ProtectionView | null,
  programs: string | null = null,
): ProtectionWords {
  if (protection === null) return browserOnly(programs);
  if (protection.blockingFailed) return blockingFailed(protection);
  return { ...stateWords(protection), isHeld: protection.state === "error" || protection.state === "locked" };
}

/** The findings of the last look that were bad. */
export function badFindings(protection: ProtectionView | null): readonly ProtectionFinding[] {
  return protection?.verdict?.findings.filter(({ good }) => !good) ?? [];
}

function browserOnly(programs: string | null): ProtectionWords {
  const others =
    programs === null
      ? "Other programs go their own way, with this computer's own address."
      : `Programs that read the desktop's proxy settings leave through ${programs}; others go their own way.`;
  return {
    tone: "direct",
    word: programs === null ? "This browser only" : "Browser and desktop proxy",
    title: "Carries the browser only",
    sentence: `The companion runs without privilege: it carries this browser. ${others} There is no kill switch.`,
    isHeld: false,
  };
}

function blockingFailed({ problem }: ProtectionView): ProtectionWords {
  return {
    tone: "blocked",
    word: "Not protected",
    title: "Blocking failed",
    sentence: [
      "The rules that hold traffic back could not be put up, so sites may see this computer's own address.",
      problem,
      "Take the computer off the network until this is mended.",
    ]
      .filter(Boolean)
      .join(" "),
    isHeld: true,
  };
}

function stateWords(protection: ProtectionView): Omit<ProtectionWords, "isHeld"> {
  switch (protection.state) {
    case "open":
      return {
        tone: "direct",
        word: "Not connected",
        title: "This computer is open",
        sentence: "This browser is carried; other programs use this computer's own address.",
      };
    case "connecting":
      return {
        tone: "attention",
        word: "Connecting",
        title: "Connecting this computer",
        sentence: "The rules are up: until the tunnel stands, only the way to the exits is let out.",
      };
    case "connected":
      return {
        tone: "on",
        word: "Protected",
        title: "This computer is protected",
        sentence: `Everything that leaves this computer goes through ${protection.upstream ?? "the tunnel"}, and nothing beside it.`,
      };
    case "failover":
      return {
        tone: "attention",
        word: "Changing exits",
        title: "The exit stopped answering",
        sentence: "Traffic waits for the next exit. It does not go around it.",
      };
    case "disconnecting":
      return {
        tone: "attention",
        word: "Disconnecting",
        title: "Disconnecting this computer",
        sentence: "The tunnel comes down first, the rules last.",
      };
    case "error":
      return errorWords(protection);
    case "locked":
      return {
        tone: "blocked",
        word: "Locked",
        title: "Nothing leaves this computer",
        sentence: "Lockdown is on and the tunnel is not connected, so the kill switch holds everything back.",
      };
  }
}

function errorWords({ problem, verdict }: ProtectionView): Omit<ProtectionWords, "isHeld"> {
  const why = problem ?? "The tunnel failed.";
  if (verdict && !verdict.kept) {
    return {
      tone: "blocked",
      word: "Blocked",
      title: "A leak was found",
      sentence: `${why} Everything is blocked until a check is good again, or you connect anew.`,
    };
  }
  return {
    tone: "blocked",
    word: "Blocked",
    title: "Nothing leaves this computer",
    sentence: `${why} The kill switch holds traffic back until it is connected again.`,
  };
}
