import { useState } from "react";
import type { Link, PageCommand } from "../../messages.ts";

type UnsetLink = Extract<Link, { kind: "absent" | "unpaired" }>;

interface FirstRunProps {
  readonly link: UnsetLink;
  readonly send: (command: PageCommand) => void;
}

/** The first run: start the companion, then pair this browser with it. */
export function FirstRun({ link, send }: FirstRunProps) {
  const running = link.kind === "unpaired";
  return (
    <section className="first hero panel" aria-label="Set up">
      <h2 className="place">Two steps, then browse</h2>
      <ol>
        <li className={running ? "done" : ""} aria-current={running ? undefined : "step"}>
          <h3>Start the companion{running && <span className="tag">running</span>}</h3>
          {link.kind === "absent" && <Absent problem={link.problem} send={send} />}
        </li>
        <li aria-current={running ? "step" : undefined}>
          <h3>Pair this browser</h3>
          {link.kind === "unpaired" ? (
            <Pairing words={link.words} send={send} />
          ) : (
            <p className="muted">
              Six words, shown here and in the terminal, prove that no other program answers.
            </p>
          )}
        </li>
      </ol>
    </section>
  );
}

function Absent({ problem, send }: { readonly problem: string; readonly send: FirstRunProps["send"] }) {
  return (
    <>
      <p className="muted">It carries your traffic. In a terminal, in the folder of Atlantic Proxy:</p>
      <code className="line mono">npm start</code>
      <p className="muted">{problem}</p>
      <div className="remedy row">
        <button type="button" className="button" onClick={() => send({ kind: "retry" })}>
          Look again
        </button>
      </div>
    </>
  );
}

interface PairingProps {
  readonly words: readonly string[] | null;
  readonly send: FirstRunProps["send"];
}

function Pairing({ words, send }: PairingProps) {
  const [answer, setAnswer] = useState<{ readonly words: string; readonly accepted: boolean } | null>(null);
  const text = words?.join(" · ") ?? null;
  const answered = answer?.words === text ? answer : null;

  function say(accepted: boolean): void {
    if (text !== null) setAnswer({ words: text, accepted });
    send({ kind: "pair", accepted });
  }

  if (answered && !answered.accepted) return <Differed send={send} />;
  return (
    <>
      <p className="muted">
        {text === null
          ? "Waiting for the companion's six words."
          : "The terminal shows six words. They must be these:"}
      </p>
      <p className={text === null ? "line words mono pending" : "line words mono"}>
        {text ?? "harbour · violet · nine · lantern · drift · cobalt"}
      </p>
      <div className="remedy row">
        <button
          type="button"
          className="button primary"
          disabled={!text || answered !== null}
          onClick={() => say(true)}
        >
          {answered ? "Pairing…" : "They match"}
        </button>
        <button
          type="button"
          className="button"
          disabled={!text || answered !== null}
          onClick={() => say(false)}
        >
          They differ
        </button>
      </div>
    </>
  );
}

function Differed({ send }: { readonly send: FirstRunProps["send"] }) {
  return (
    <div role="alert">
      <p>Nothing was paired.</p>
      <p className="muted">
        Different words mean that another program, or another browser's pairing, answered. Look at the
        terminal that runs the companion, then ask for new words.
      </p>
      <div className="remedy row">
        <button type="button" className="button" onClick={() => send({ kind: "retry" })}>
          Ask for new words
        </button>
      </div>
    </div>
  );
}
