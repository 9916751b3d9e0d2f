import type { PageCommand, PopupModel } from "../../messages.ts";
import type { Page } from "../connectPage.ts";
import { FirstRun } from "../popup/FirstRun.tsx";
import { usePage } from "../usePage.ts";
import { Computer } from "./Computer.tsx";
import { Limits } from "./Limits.tsx";
import { Rules } from "./Rules.tsx";

/** Where `npm start` serves the web page unless it is told otherwise. */
const WEB_PAGE = "http://localhost:3000";

/** The settings page: rules, the companion, the account, and what an extension cannot hold. */
export function Options({ page }: { readonly page: Page }) {
  const { model, problem } = usePage(page);
  return (
    <main className="options">
      <h1>Atlantic Proxy settings</h1>
      {problem !== null && (
        <p className="notice bad" role="alert">
          {problem}
        </p>
      )}
      {model?.warnings.map((warning) => (
        <p key={warning} className="notice">
          {warning}
        </p>
      ))}
      <Companion model={model} send={page.send} />
      <Computer model={model} send={page.send} />
      <Rules model={model} send={page.send} />
      <section className="panel" aria-labelledby="account">
        <h2 id="account">Account and usage</h2>
        <p className="muted">
          Credentials, exits and every byte of the account are on the web page that the server serves.
        </p>
        <p>
          <a href={WEB_PAGE} target="_blank" rel="noreferrer">
            {WEB_PAGE}
          </a>{" "}
          <span className="faint">unless npm start printed another address</span>
        </p>
      </section>
      <Limits />
    </main>
  );
}

interface CompanionProps {
  readonly model: PopupModel | null;
  readonly send: (command: PageCommand) => void;
}

function Companion({ model, send }: CompanionProps) {
  if (model?.link.kind === "absent" || model?.link.kind === "unpaired") {
    return <FirstRun link={model.link} send={send} />;
  }
  const state = companionState(model);
  return (
    <section className="panel" aria-labelledby="companion">
      <div className="row">
        <h2 id="companion" className="grow">
          Companion
        </h2>
        <span className={`pill ${state.tone}`}>{state.word}</span>
      </div>
      <p className="muted">{state.sentence}</p>
      {model?.link.kind === "lost" && (
        <button type="button" className="button" onClick={() => send({ kind: "retry" })}>
          Try again
        </button>
      )}
    </section>
  );
}

function companionState(model: PopupModel | null) {
  if (!model) return { tone: "direct", word: "Connecting", sentence: "Asking the companion." };
  if (model.link.kind === "lost") {
    const sentence = `${model.link.problem} Exits are blocked until it is back.`;
    return { tone: "blocked", word: "Gone", sentence };
  }
  if (model.conflict !== null) return { tone: "attention", word: "Not in control", sentence: model.conflict };
  return {
    tone: "on",
    word: "Paired",
    sentence: "This browser is paired with the companion on this computer.",
  };
}
