import type { PageCommand, PopupModel } from "../../messages.ts";
import { Evidence } from "../popup/Evidence.tsx";
import { protectionWords } from "../protectionWords.ts";

interface ComputerProps {
  readonly model: PopupModel | null;
  readonly send: (command: PageCommand) => void;
}

/** What of the whole computer is carried, and what only the operating system's word can change. */
export function Computer({ model, send }: ComputerProps) {
  if (model?.link.kind !== "ready") return null;
  const { protection, programs } = model;
  const { tone, word, sentence } = protectionWords(protection, programs);
  return (
    <section className="panel" aria-labelledby="computer">
      <div className="row">
        <h2 id="computer" className="grow">
          This computer
        </h2>
        <span className={`pill ${tone}`}>{word}</span>
      </div>
      <p className="muted">{sentence}</p>
      {protection && <Evidence protection={protection} onCheck={() => send({ kind: "validate" })} />}
      <p className="muted">
        A browser may connect the computer and choose exits. To open the kill switch or leave lockdown needs
        your password: <code className="mono">sudo atlantic disconnect</code>,{" "}
        <code className="mono">sudo atlantic lockdown off</code>.
      </p>
    </section>
  );
}
