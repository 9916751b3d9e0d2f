import type { PopupModel } from "../../messages.ts";
import { protectionWords } from "../protectionWords.ts";

interface ProtectionRowProps {
  readonly model: PopupModel;
  readonly onOpen: () => void;
}

/** What of this computer is carried besides this browser, in one line. */
export function ProtectionRow({ model, onOpen }: ProtectionRowProps) {
  const breaches = model.protection?.breaches ?? 0;
  const kept = breaches === 1 ? "1 breach" : `${breaches} breaches`;
  return (
    <section className="fact row" aria-label="This computer">
      {model.protection === null ? <BrowserOnly model={model} /> : <Computer model={model} />}
      <button
        type="button"
        className={breaches > 0 ? "button quiet warned" : "button quiet"}
        onClick={onOpen}
        aria-label={breaches > 0 ? `${kept}: details of this computer` : "Details of this computer"}
      >
        {breaches > 0 ? kept : "Details"}
      </button>
    </section>
  );
}

function BrowserOnly({ model: { programs } }: { readonly model: PopupModel }) {
  return (
    <span className="grow clip">
      {protectionWords(null, programs).word}
      {programs === null && <span className="faint"> · no kill switch</span>}
    </span>
  );
}

function Computer({ model: { protection, link } }: { readonly model: PopupModel }) {
  const { tone, word } = protectionWords(protection);
  return (
    <span className="grow row computer">
      {link.kind === "ready" ? "This computer" : "Last heard"}
      <span className={`pill ${tone}`}>{word}</span>
    </span>
  );
}
