import { useEffect, useState } from "react";

interface CopyButtonProps {
  readonly text: string;
  /** What is copied, for people who do not see what stands beside the button. */
  readonly what: string;
}

const SHOWN_MS = 2_000;

/** Copies a text and says whether that worked. */
export function CopyButton({ text, what }: CopyButtonProps) {
  const [outcome, setOutcome] = useState<"copied" | "refused" | null>(null);
  useEffect(() => {
    if (outcome === null) return;
    const timer = setTimeout(() => setOutcome(null), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [outcome]);

  async function copy(): Promise<void> {
    const copied = await navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
    setOutcome(copied ? "copied" : "refused");
  }

  return (
    <span className="inline-flex flex-none">
      <button type="button" className="button quiet" aria-label={`Copy ${what}`} onClick={copy}>
        <span className="grid">
          <span className={`col-start-1 row-start-1 ${outcome ? "invisible" : ""}`}>Copy</span>
          <span className={`col-start-1 row-start-1 ${outcome ? "" : "invisible"}`} aria-hidden="true">
            {outcome === "refused" ? "Select" : "Copied"}
          </span>
        </span>
      </button>
      <span className="unseen" role="status">
        {outcome === "copied" && `Copied ${what}`}
        {outcome === "refused" && "The browser did not allow copying: select the text and copy it by hand"}
      </span>
    </span>
  );
}
