import type { ProtectionView } from "@atlantic/shared/control/protection.ts";
import type { PageCommand, PopupModel } from "../../messages.ts";
import { protectionWords } from "../protectionWords.ts";
import { Evidence } from "./Evidence.tsx";

interface ProtectionPageProps {
  readonly model: PopupModel;
  readonly send: (command: PageCommand) => void;
  /** Null where there is nothing to go back to: everything is held. */
  readonly onBack: (() => void) | null;
}

/** The whole computer: where it stands and why, what was found, and what needs the operating system's word. */
export function ProtectionPage({ model, send, onBack }: ProtectionPageProps) {
  const { protection, programs } = model;
  const { tone, title, sentence, isHeld } = protectionWords(protection, programs);
  const held = tone === "blocked" || tone === "attention";
  return (
    <>
      <section className={`hero panel ${held ? tone : ""}`} aria-label="This computer">
        <h2 className={tone === "blocked" ? "place bad" : "place"}>{title}</h2>
        <div className="why">
          <p>{sentence}</p>
          {(onBack || canConnect(protection)) && (
            <div className="remedy row">
              {canConnect(protection) && (
                <button type="button" className="button primary" onClick={() => send({ kind: "protect" })}>
                  {protection?.state === "open" || protection?.state === "locked" ? "Connect" : "Try again"}
                </button>
              )}
              {onBack && (
                // biome-ignore lint/a11y/noAutofocus: what had the focus is gone, and the keys must lead somewhere.
                <button type="button" className="button" autoFocus onClick={onBack}>
                  Back to this tab
                </button>
              )}
            </div>
          )}
        </div>
      </section>
      {protection && <Evidence protection={protection} onCheck={() => send({ kind: "validate" })} />}
      {protection && <Settings protection={protection} isHeld={isHeld} />}
      <div className="rest" />
      <footer className="muted">{releaseSentence(protection)}</footer>
    </>
  );
}

function canConnect(protection: ProtectionView | null): boolean {
  return (
    protection !== null &&
    (protection.blockingFailed || ["open", "error", "locked"].includes(protection.state))
  );
}

interface SettingsProps {
  readonly protection: ProtectionView;
  readonly isHeld: boolean;
}

function Settings({ protection, isHeld }: SettingsProps) {
  const { lockdown, allowLan, blockedNames } = protection;
  const rows = [
    ["Lockdown", lockdown ? "on: blocked unless connected" : "off: open after you disconnect"],
    ["Local network", allowLan ? "printers and the like: yes" : "out of reach"],
    ...(isHeld ? [] : [["Names refused by filter lists", new Intl.NumberFormat().format(blockedNames)]]),
  ];
  return (
    <dl className="facts settings panel">
      {rows.map(([name, value]) => (
        <div key={name} className="fact row">
          <dt className="grow">{name}</dt>
          <dd className="muted">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A browser may connect, and choose; it may not open. */
function releaseSentence(protection: ProtectionView | null) {
  if (protection === null) {
    return (
      <>
        The whole computer, with a kill switch: <code className="mono">sudo npx atlantic install</code>.
        Programs that read the desktop's proxy settings:{" "}
        <code className="mono">npx atlantic connect --system-proxy</code>
      </>
    );
  }
  if (protection.state === "open" && !protection.blockingFailed) {
    return "A browser can connect this computer. Opening it again will need your password, in a terminal.";
  }
  return (
    <>
      No browser can open the kill switch. It needs your password:{" "}
      <code className="mono">sudo atlantic disconnect</code>
      {protection.lockdown && (
        <>
          , and for lockdown <code className="mono">sudo atlantic lockdown off</code>
        </>
      )}
    </>
  );
}
