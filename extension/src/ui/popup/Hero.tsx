import type { PageCommand, PopupModel } from "../../messages.ts";
import { protectionWords } from "../protectionWords.ts";
import { type Headline, headlineOf } from "./headline.ts";
import { liveSentence } from "./liveSentence.ts";
import { scopeToForget } from "./scope.ts";

/** The rules are the kernel's. */
const HELD_WITHOUT_COMPANION = " The kill switch stands without it.";

interface HeroProps {
  readonly model: PopupModel;
  readonly send: (command: PageCommand) => void;
}

/** Where this tab leaves, what the site sees, and the sentence that says why. */
export function Hero({ model, send }: HeroProps) {
  const headline = headlineOf(model);
  const held = headline.tone === "blocked" || headline.tone === "attention";
  return (
    <section className={`hero panel ${held ? headline.tone : ""}`} aria-label="This tab">
      <div className="row">
        <div className="grow">
          <h2 className="place clip" title={headline.title}>
            {headline.title}
          </h2>
          <Address headline={headline} />
        </div>
        <button
          type="button"
          className="switch"
          role="switch"
          aria-checked={model.enabled}
          aria-label="Use exits"
          onClick={() => send({ kind: "enable", on: !model.enabled })}
        />
      </div>
      <div className="why">
        <p>{whyOf(model)}</p>
        <Remedy model={model} send={send} />
      </div>
    </section>
  );
}

function Address({ headline }: { readonly headline: Headline }) {
  return (
    <p className="address row">
      {headline.address !== null && <span className="mono muted">{headline.address}</span>}
      {headline.demonstration && (
        <span className="tag" title="An exit of this machine, which leads nowhere else">
          demonstration
        </span>
      )}
      {headline.detail !== "" && (
        <>
          {headline.address !== null && <span className="faint">·</span>}
          <span className="muted clip">{headline.detail}</span>
        </>
      )}
    </p>
  );
}

function whyOf(model: PopupModel): string {
  if (model.link.kind === "lost") {
    const computer = model.protection && model.protection.state !== "open" ? HELD_WITHOUT_COMPANION : "";
    return `${model.link.problem} Exits are blocked until it is back; your own address is not used in their place.${computer}`;
  }
  if (model.conflict !== null) return model.conflict;
  if (model.session?.problem) return model.session.problem;
  const computer = protectionWords(model.protection);
  // On the way from one state to the next nothing of this tab's moves.
  if (computer.tone === "attention") return `${computer.title}. ${computer.sentence}`;
  const why = model.tab?.sentence ?? "This page is the browser's own. Choose what applies to everything.";
  return [why, liveSentence(model.live)].filter(Boolean).join(" ");
}

function Remedy({ model, send }: HeroProps) {
  const isUnderWay = protectionWords(model.protection).tone === "attention";
  if (model.link.kind === "lost") {
    return (
      <div className="remedy row">
        <button type="button" className="button primary" onClick={() => send({ kind: "retry" })}>
          Try again
        </button>
        <span className="muted">
          or start it: <code className="mono">npm start</code>
        </span>
      </div>
    );
  }
  if (model.conflict !== null || model.session?.problem) {
    return (
      <div className="remedy row">
        <button type="button" className="button" onClick={() => send({ kind: "retry" })}>
          Try again
        </button>
      </div>
    );
  }
  const scope = model.enabled && !isUnderWay ? scopeToForget(model.tab) : null;
  if (!scope) return null;
  return (
    <button type="button" className="forget button quiet" onClick={() => send({ kind: "forget", scope })}>
      Forget this choice
    </button>
  );
}
