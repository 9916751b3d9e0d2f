import { useState } from "react";
import type { PopupModel } from "../../messages.ts";
import { sessionSentence } from "./sessionSentence.ts";
import { useNow } from "./useNow.ts";

interface SessionRowProps {
  readonly model: PopupModel;
  readonly onRotate: () => void;
}

/** How long the address stays the same, and the way to another one. */
export function SessionRow({ model, onRotate }: SessionRowProps) {
  const now = useNow(1000);
  const session = model.session;
  const [asked, setAsked] = useState<{ readonly of: number; readonly until: number } | null>(null);
  const waiting = asked !== null && asked.of === session?.startedAt && now < asked.until && !session.problem;

  function rotate(startedAt: number): void {
    setAsked({ of: startedAt, until: Date.now() + 10_000 });
    onRotate();
  }

  return (
    <section className="fact row" aria-label="Session">
      <span className="grow clip">{sessionSentence(model, now)}</span>
      <button
        type="button"
        className="button quiet"
        disabled={!session || waiting || model.link.kind !== "ready"}
        onClick={() => session && rotate(session.startedAt)}
      >
        {waiting ? "Changing…" : "New address"}
      </button>
    </section>
  );
}
