interface ProblemProps {
  readonly problem: string | null;
  readonly onDismiss: () => void;
}

/** What went wrong with the last command. */
export function Problem({ problem, onDismiss }: ProblemProps) {
  if (problem === null) return null;
  return (
    <div className="problem notice bad row" role="alert">
      <span className="grow">{problem}</span>
      <button type="button" className="button quiet" onClick={onDismiss}>
        Dismiss
      </button>
    </div>
  );
}

/** What the person should know: one line that opens to the whole. */
export function Warnings({ warnings }: { readonly warnings: readonly string[] }) {
  if (warnings.length === 0) return null;
  return (
    <details className="warnings panel">
      <summary className="clip">
        <b>{warnings.length === 1 ? "1 notice" : `${warnings.length} notices`}</b>
        <span className="gist"> · {warnings[0]}</span>
      </summary>
      <ul>
        {warnings.map((warning) => (
          <li key={warning}>{warning}</li>
        ))}
      </ul>
    </details>
  );
}
