import { createTRPCClient, httpBatchLink, httpSubscriptionLink, splitLink } from "@trpc/client";
import type { AppRouter } from "../../../src/trpc/router.ts";

const url = "/api/trpc";

/** The server's procedures, typed by the server itself. The session cookie says who asks. */
export const api = createTRPCClient<AppRouter>({
  links: [
    splitLink({
      condition: ({ type }) => type === "subscription",
      true: httpSubscriptionLink({ url }),
      false: httpBatchLink({ url, maxItems: 10 }),
    }),
  ],
});
