import { type ReactNode, useEffect, useId, useRef } from "react";

interface ConfirmProps {
  readonly title: string;
  readonly children: ReactNode;
  /** What the confirming button says it does. */
  readonly action: string;
  readonly busy: boolean;
  readonly error: unknown;
  readonly onConfirm: () => void;
  readonly onCancel: () => void;
}

/** Asks before something that cannot be undone. The native dialog keeps the focus and closes with Escape. */
export function Confirm(props: ConfirmProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby={title} onClose={props.onCancel}>
      <h2 id={title} className="text-base">
        {props.title}
      </h2>
      <div className="muted mt-2">{props.children}</div>
      {props.error !== null && (
        <p className="mt-3 text-(--bad)" role="alert">
          {props.error instanceof Error ? props.error.message : "That did not work. Try again."}
        </p>
      )}
      <div className="mt-5 flex flex-wrap justify-end gap-2">
        <button type="button" className="button" onClick={() => dialog.current?.close()}>
          Cancel
        </button>
        <button type="button" className="button danger" disabled={props.busy} onClick={props.onConfirm}>
          {props.action}
        </button>
      </div>
    </dialog>
  );
}
