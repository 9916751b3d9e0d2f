import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api } from "./trpc.ts";

/** A stretch of time that ends now. */
export type UsageRange = "day" | "week" | "month";

export const accountQuery = queryOptions({
  queryKey: ["account"],
  queryFn: ({ signal }) => api.account.get.query(undefined, { signal }),
});

export const credentialsQuery = queryOptions({
  queryKey: ["credentials"],
  queryFn: ({ signal }) => api.credentials.list.query(undefined, { signal }),
});

export const exitsQuery = queryOptions({
  queryKey: ["exits"],
  queryFn: ({ signal }) => api.exits.list.query(undefined, { signal }),
});

export const summaryQuery = queryOptions({
  queryKey: ["usage", "summary"],
  queryFn: ({ signal }) => api.usage.summary.query(undefined, { signal }),
});

export function seriesQuery(range: UsageRange) {
  return queryOptions({
    queryKey: ["usage", "over-time", "series", range],
    queryFn: ({ signal }) => api.usage.series.query({ range }, { signal }),
    placeholderData: keepPreviousData,
  });
}

export function byExitQuery(range: UsageRange) {
  return queryOptions({
    queryKey: ["usage", "over-time", "by-exit", range],
    queryFn: ({ signal }) => api.usage.byExit.query({ range }, { signal }),
    placeholderData: keepPreviousData,
  });
}

/** Everything that changes when bytes flow and that the live subscription does not bring along. */
export const movingQueries = [["usage", "over-time"], ["connections"]] as const;

export const openConnectionsQuery = queryOptions({
  queryKey: ["connections", "open"],
  queryFn: ({ signal }) => api.connections.list.query({ open: true, limit: 50 }, { signal }),
});

/** How to leave through an exit, with the account's first live credential. Null when there is none yet. */
export const recipeQuery = queryOptions({
  queryKey: ["credentials", "recipe"],
  queryFn: async ({ signal }) => {
    const { credentials } = await api.credentials.list.query(undefined, { signal });
    if (credentials.every(({ revokedAt }) => revokedAt !== null)) return null;
    return api.proxy.connect.mutate({ exit: {} }, { signal });
  },
});

/** null: the account's own, which hold for every credential. */
export function limitsQuery(credentialId: string | null) {
  return queryOptions({
    queryKey: ["limits", credentialId],
    queryFn: ({ signal }) => api.limits.get.query(credentialId === null ? {} : { credentialId }, { signal }),
  });
}

/** null: of every credential. */
export function customHeadersQuery(credentialId: string | null) {
  return queryOptions({
    queryKey: ["custom-headers", credentialId],
    queryFn: ({ signal }) =>
      api.customHeaders.get.query(credentialId === null ? {} : { credentialId }, { signal }),
  });
}

export function addressesQuery(credentialId: string) {
  return queryOptions({
    queryKey: ["addresses", credentialId],
    queryFn: ({ signal }) => api.addresses.get.query({ credentialId }, { signal }),
  });
}

export const sessionSettingsQuery = queryOptions({
  queryKey: ["session-settings"],
  queryFn: ({ signal }) => api.sessions.getSettings.query(undefined, { signal }),
});

/** What a proxy user name means; nothing is asked for an empty one. */
export function explanationQuery(username: string) {
  return queryOptions({
    queryKey: ["explain", username],
    queryFn: ({ signal }) => api.proxy.explain.mutate({ username }, { signal }),
    enabled: username !== "",
    placeholderData: keepPreviousData,
    retry: false,
  });
}
