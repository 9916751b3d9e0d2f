import type { ProtectionView } from "@atlantic/shared/control/protection.ts";
import { badFindings } from "../protectionWords.ts";
import { agoInWords, timeOfDay } from "./moment.ts";
import { useNow } from "./useNow.ts";

interface EvidenceProps {
  readonly protection: ProtectionView;
  readonly onCheck: () => void;
}

/** What the validator saw the last time it looked, each bad finding in its own words, and what is kept of breaches. */
export function Evidence({ protection, onCheck }: EvidenceProps) {
  const now = useNow(1000);
  const { verdict, breaches } = protection;
  const bad = badFindings(protection);
  return (
    <section className="facts evidence panel" aria-label="Leak checks">
      <div className="fact row">
        <span className="grow clip">
          {verdict === null ? "Not checked yet" : verdictInWords(bad.length, verdict.findings.length)}
          {verdict && <span className="faint"> · {agoInWords(now - verdict.at)}</span>}
        </span>
        {protection.state !== "open" && (
          <button type="button" className="button quiet" onClick={onCheck}>
            Check now
          </button>
        )}
      </div>
      {bad.length > 0 && verdict && (
        <ul aria-label="What was found">
          {bad.map(({ check, detail }) => (
            <li key={check} className="fact found">
              <span className="faint">{timeOfDay(verdict.at)}</span> {detail}
            </li>
          ))}
        </ul>
      )}
      {breaches > 0 && (
        <p className="fact">
          {breaches === 1 ? "1 breach is kept" : `${breaches} breaches are kept`}:{" "}
          <code className="mono">atlantic leaks</code>
        </p>
      )}
    </section>
  );
}

function verdictInWords(bad: number, all: number): string {
  if (bad === 0) return `No leak in ${all} checks`;
  return `${bad} of ${all} checks failed`;
}
