import { type ComponentProps, useId } from "react";

interface TextFieldProps extends ComponentProps<"input"> {
  readonly label: string;
  /** What is asked, before anything is wrong. */
  readonly hint?: string;
  readonly fault: string | undefined;
}

/** A labelled input with a place kept for what is wrong with it. */
export function TextField({ label, hint, fault, ...input }: TextFieldProps) {
  const id = useId();
  const note = `${id}-note`;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        {...input}
        id={id}
        className="input"
        aria-invalid={fault !== undefined}
        aria-describedby={note}
      />
      <p id={note} className={fault ? "fault" : "fault faint"}>
        {fault ?? hint}
      </p>
    </div>
  );
}
