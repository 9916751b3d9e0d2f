import { sentenceOf } from "../api/failure.ts";

interface FailureNoticeProps {
  readonly error: unknown;
  readonly onRetry?: () => unknown;
}

/** What went wrong, what it means, and the way to try again. */
export function FailureNotice({ error, onRetry }: FailureNoticeProps) {
  return (
    <div className="notice bad flex flex-wrap items-center gap-2.5" role="alert">
      <span className="min-w-0 flex-auto basis-60">{sentenceOf(error)}</span>
      {onRetry && (
        <button type="button" className="button" onClick={() => onRetry()}>
          Try again
        </button>
      )}
    </div>
  );
}
