import type { ComponentProps } from "react";
import { Field, type FieldProps } from "./Field.tsx";

/** A labelled field of several lines with a place kept for what is wrong with it. */
export function TextArea({ label, hint, fault, ...area }: FieldProps & ComponentProps<"textarea">) {
  return (
    <Field label={label} hint={hint} fault={fault}>
      {(ties) => (
        <textarea
          rows={3}
          spellCheck={false}
          autoCapitalize="none"
          {...area}
          {...ties}
          className="input mono"
        />
      )}
    </Field>
  );
}
