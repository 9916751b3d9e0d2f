import { zodResolver } from "@hookform/resolvers/zod";
import { useMutation } from "@tanstack/react-query";
import { useForm } from "react-hook-form";
import { Link, useLocation } from "react-router";
import * as z from "zod/mini";
import { signUp } from "../api/auth.ts";
import { FailureNotice } from "../parts/FailureNotice.tsx";
import { TextField } from "../parts/TextField.tsx";
import { Gate } from "./Gate.tsx";
import { NEW_PASSWORD_HINT, newPasswordSchema } from "./newPassword.ts";
import { useEntrance } from "./useEntrance.ts";

const personSchema = z.object({
  name: z.string().check(z.trim(), z.minLength(1, "Write a name; it is shown to you alone.")),
  email: z.email("Write your email, as in name@example.org."),
  password: newPasswordSchema,
});

/** Opens an account. */
export default function SignUp() {
  const enter = useEntrance();
  const { search } = useLocation();
  const form = useForm({
    resolver: zodResolver(personSchema),
    defaultValues: { name: "", email: "", password: "" },
  });
  const signingUp = useMutation({ mutationFn: signUp, onSuccess: enter });
  const { errors } = form.formState;
  return (
    <Gate title="Open an account">
      {signingUp.isError && <FailureNotice error={signingUp.error} />}
      <form
        className="grid gap-2"
        noValidate
        onSubmit={form.handleSubmit((person) => signingUp.mutate(person))}
      >
        <TextField label="Name" autoComplete="name" fault={errors.name?.message} {...form.register("name")} />
        <TextField
          label="Email"
          type="email"
          autoComplete="username"
          fault={errors.email?.message}
          {...form.register("email")}
        />
        <TextField
          label="Password"
          type="password"
          autoComplete="new-password"
          hint={NEW_PASSWORD_HINT}
          fault={errors.password?.message}
          {...form.register("password")}
        />
        <button type="submit" className="button primary" disabled={signingUp.isPending}>
          {signingUp.isPending ? "Opening…" : "Open the account"}
        </button>
      </form>
      <p className="muted">
        You have one? <Link to={`/sign-in${search}`}>Sign in</Link>.
      </p>
    </Gate>
  );
}
