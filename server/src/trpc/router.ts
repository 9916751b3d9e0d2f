import { accountRouter } from "./account.ts";
import { addressesRouter } from "./addresses.ts";
import { connectionsRouter } from "./connections.ts";
import { credentialsRouter } from "./credentials.ts";
import { customHeadersRouter } from "./custom-headers.ts";
import { exitsRouter } from "./exits.ts";
import { limitsRouter } from "./limits.ts";
import { router } from "./procedures.ts";
import { proxyRouter } from "./proxy.ts";
import { receiptsRouter } from "./receipts.ts";
import { sessionsRouter } from "./sessions.ts";
import { usageRouter } from "./usage.ts";

/** Every procedure of the product: tRPC at /api/trpc, and, where it has a path, REST at /api/v1. */
export const appRouter = router({
  account: accountRouter,
  credentials: credentialsRouter,
  limits: limitsRouter,
  addresses: addressesRouter,
  customHeaders: customHeadersRouter,
  sessions: sessionsRouter,
  exits: exitsRouter,
  proxy: proxyRouter,
  connections: connectionsRouter,
  usage: usageRouter,
  receipts: receiptsRouter,
});

/** The contract of the API, for typed clients. */
export type AppRouter = typeof appRouter;
