interface NoticesProps {
  readonly problem: string | null;
  readonly warnings: readonly string[];
  readonly onDismiss: () => void;
}

/** What went wrong with the last command, and what the person should know. */
export function Notices({ problem, warnings, onDismiss }: NoticesProps) {
  if (problem === null && warnings.length === 0) return null;
  return (
    <div className="notices">
      {problem !== null && (
        <div className="notice bad row" role="alert">
          <span className="grow">{problem}</span>
          <button type="button" className="button quiet" onClick={onDismiss}>
            Dismiss
          </button>
        </div>
      )}
      {warnings.length > 0 && <Warnings warnings={warnings} />}
    </div>
  );
}

function Warnings({ warnings: [first, ...others] }: { readonly warnings: readonly string[] }) {
  return (
    <details className="notice">
      <summary>
        {others.length > 0 && <b>{others.length + 1} notices. </b>}
        {first}
      </summary>
      <ul>
        {others.map((warning) => (
          <li key={warning}>{warning}</li>
        ))}
      </ul>
    </details>
  );
}
