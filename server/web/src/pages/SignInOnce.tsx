import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { Link } from "react-router";
import { signInOnce } from "../api/auth.ts";
import { Failure } from "../api/failure.ts";
import { FailureNotice } from "../parts/FailureNotice.tsx";
import { Gate } from "./Gate.tsx";
import { useEntrance } from "./useEntrance.ts";

const NO_TOKEN = new Failure("This sign-in link is not whole. Copy all of it, as npm start printed it.");

/** Signs in with the token in the address's fragment, and takes it out of the address and the history at once. */
export default function SignInOnce() {
  const enter = useEntrance();
  const token = useRef(location.hash.slice(1));
  const { mutate, error } = useMutation({
    mutationFn: async () => {
      if (token.current === "") throw NO_TOKEN;
      await signInOnce(token.current);
    },
    onSuccess: enter,
  });
  const asked = useRef(false);
  useEffect(() => {
    if (asked.current) return;
    asked.current = true;
    history.replaceState(null, "", location.pathname);
    mutate();
  }, [mutate]);
  return (
    <Gate title="Signing in">
      {error ? (
        <>
          <FailureNotice error={error} />
          <p className="muted">
            Once you have set a password on the account page, you can{" "}
            <Link to="/sign-in">sign in with it</Link> instead.
          </p>
        </>
      ) : (
        <p className="muted" role="status">
          Checking the link…
        </p>
      )}
    </Gate>
  );
}
