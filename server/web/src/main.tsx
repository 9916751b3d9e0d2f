import "./app.css";
import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createRoot } from "react-dom/client";
import { BrowserRouter } from "react-router";
import { App } from "./App.tsx";
import { isSignedOut, isUnreachable } from "./api/failure.ts";
import { accountQuery } from "./api/queries.ts";

const client: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    // A session that ended anywhere ended everywhere: the frame asks again and leads to the sign-in page.
    onError: (error, query) => {
      const asked = query.queryKey[0] !== accountQuery.queryKey[0];
      if (asked && isSignedOut(error)) void client.invalidateQueries({ queryKey: accountQuery.queryKey });
    },
  }),
  defaultOptions: {
    // The server is often this computer: being offline says nothing about reaching it.
    queries: {
      networkMode: "always",
      staleTime: 5_000,
      retry: (count, error) => isUnreachable(error) && count < 2,
    },
    mutations: { networkMode: "always" },
  },
});

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <QueryClientProvider client={client}>
      <BrowserRouter>
        <App />
      </BrowserRouter>
    </QueryClientProvider>,
  );
}
