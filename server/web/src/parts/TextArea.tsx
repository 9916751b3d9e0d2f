import { type ComponentProps, useId } from "react";

interface TextAreaProps extends ComponentProps<"textarea"> {
  readonly label: string;
  /** What is asked, before anything is wrong. */
  readonly hint?: string;
  readonly fault: string | undefined;
}

/** A labelled field of several lines with a place kept for what is wrong with it. */
export function TextArea({ label, hint, fault, ...area }: TextAreaProps) {
  const id = useId();
  const note = `${id}-note`;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <textarea
        rows={3}
        spellCheck={false}
        autoCapitalize="none"
        {...area}
        id={id}
        className="input mono"
        aria-invalid={fault !== undefined}
        aria-describedby={note}
      />
      <p id={note} className={fault ? "fault" : "fault faint"}>
        {fault ?? hint}
      </p>
    </div>
  );
}
