import { zodResolver } from "@hookform/resolvers/zod";
import { useMutation } from "@tanstack/react-query";
import { useForm } from "react-hook-form";
import { Link, useLocation } from "react-router";
import * as z from "zod/mini";
import { signIn } from "../api/auth.ts";
import { FailureNotice } from "../parts/FailureNotice.tsx";
import { TextField } from "../parts/TextField.tsx";
import { Gate } from "./Gate.tsx";
import { useEntrance } from "./useEntrance.ts";

const whoSchema = z.object({
  email: z.email("Write your email, as in name@example.org."),
  password: z.string().check(z.minLength(1, "Write your password.")),
});

/** Signs in with email and password. */
export default function SignIn() {
  const enter = useEntrance();
  const { state, search } = useLocation();
  const form = useForm({ resolver: zodResolver(whoSchema), defaultValues: { email: "", password: "" } });
  const signingIn = useMutation({ mutationFn: signIn, onSuccess: enter });
  const { errors } = form.formState;
  return (
    <Gate title="Sign in">
      {state?.ended && <p className="notice">Your session has ended. Sign in again to go on.</p>}
      {signingIn.isError && <FailureNotice error={signingIn.error} />}
      <form className="grid gap-2" noValidate onSubmit={form.handleSubmit((who) => signingIn.mutate(who))}>
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
          autoComplete="current-password"
          fault={errors.password?.message}
          {...form.register("password")}
        />
        <button type="submit" className="button primary" disabled={signingIn.isPending}>
          {signingIn.isPending ? "Signing in…" : "Sign in"}
        </button>
      </form>
      <p className="muted">
        No account yet? <Link to={`/sign-up${search}`}>Open one</Link>.
      </p>
    </Gate>
  );
}
