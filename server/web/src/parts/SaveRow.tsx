import { FailureNotice } from "./FailureNotice.tsx";

interface SaveRowProps {
  /** The mutation that saves. */
  readonly saving: {
    readonly isPending: boolean;
    readonly isSuccess: boolean;
    readonly isError: boolean;
    readonly error: unknown;
  };
  /** Whether something is written that is not saved. */
  readonly changed: boolean;
}

/** The end of a form of settings: the button, and what came of it. */
export function SaveRow({ saving, changed }: SaveRowProps) {
  const saved = saving.isSuccess && !changed;
  return (
    <>
      {saving.isError && <FailureNotice error={saving.error} />}
      <div className="mt-2 flex flex-wrap items-center gap-3">
        <button type="submit" className="button primary" disabled={!changed || saving.isPending}>
          {saving.isPending ? "Saving…" : "Save"}
        </button>
        <span className="muted" aria-live="polite">
          {saved && "Saved. It holds within a second, on open connections too."}
        </span>
      </div>
    </>
  );
}
