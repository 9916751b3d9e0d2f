import { type ReactNode, useId } from "react";

/** What stands around an input: what it is, and what is asked or wrong. */
export interface FieldProps {
  readonly label: string;
  /** What is asked, before anything is wrong. */
  readonly hint?: string | undefined;
  readonly fault: string | undefined;
}

/** What ties an input to its label and its note. */
interface InputTies {
  readonly id: string;
  readonly "aria-invalid": boolean;
  readonly "aria-describedby": string;
}

/** A label, an input, and a place kept for what is wrong with it. */
export function Field({
  label,
  hint,
  fault,
  children,
}: FieldProps & { children(ties: InputTies): ReactNode }) {
  const id = useId();
  const note = `${id}-note`;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({ id, "aria-invalid": fault !== undefined, "aria-describedby": note })}
      <p id={note} className={fault ? "fault" : "fault faint"}>
        {fault ?? hint}
      </p>
    </div>
  );
}
