import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearchParams } from "react-router";

/** Goes on to the page that was wanted before signing in; only to a page of our own. */
export function useEntrance(): () => Promise<void> {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [search] = useSearchParams();
  return async () => {
    client.clear();
    await navigate(ownPath(search.get("next")), { replace: true });
  };
}

/** A path of this page; anything else, such as `//elsewhere.example`, is the dashboard. */
export function ownPath(wanted: string | null): string {
  return wanted !== null && /^\/(?![/\\])/.test(wanted) ? wanted : "/";
}
