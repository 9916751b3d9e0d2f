import type { ComponentProps } from "react";
import { Field, type FieldProps } from "./Field.tsx";

/** A labelled input with a place kept for what is wrong with it. */
export function TextField({ label, hint, fault, ...input }: FieldProps & ComponentProps<"input">) {
  return (
    <Field label={label} hint={hint} fault={fault}>
      {(ties) => <input {...input} {...ties} className="input" />}
    </Field>
  );
}
