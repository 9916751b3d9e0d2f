import { lazy, Suspense } from "react";
import { Route, Routes } from "react-router";
import { Frame } from "./frame/Frame.tsx";
import { Lost } from "./frame/Lost.tsx";
import { PageFault } from "./frame/PageFault.tsx";
import { RequireAccount } from "./frame/RequireAccount.tsx";
import { NotFound } from "./pages/NotFound.tsx";
import { viewPaths } from "./viewPaths.ts";

const Dashboard = lazy(() => import("./pages/dashboard/Dashboard.tsx"));
const Exits = lazy(() => import("./pages/exits/Exits.tsx"));
const Credentials = lazy(() => import("./pages/credentials/Credentials.tsx"));
const Account = lazy(() => import("./pages/account/Account.tsx"));
const Credential = lazy(() => import("./pages/credentials/Credential.tsx"));
const Limits = lazy(() => import("./pages/limits/Limits.tsx"));
const Explain = lazy(() => import("./pages/explain/Explain.tsx"));
const SignIn = lazy(() => import("./pages/SignIn.tsx"));
const SignUp = lazy(() => import("./pages/SignUp.tsx"));
const SignInOnce = lazy(() => import("./pages/SignInOnce.tsx"));

/** Every page of the account, each in a file of its own that is loaded when it is first opened. */
export function App() {
  return (
    <PageFault>
      <Suspense>
        <Routes>
          <Route path={viewPaths.signIn} element={<SignIn />} />
          <Route path={viewPaths.signUp} element={<SignUp />} />
          <Route path={viewPaths.signInOnce} element={<SignInOnce />} />
          <Route element={<RequireAccount />}>
            <Route element={<Frame />}>
              <Route path={viewPaths.dashboard} element={<Dashboard />} />
              <Route path={viewPaths.exits} element={<Exits />} />
              <Route path={viewPaths.credentials} element={<Credentials />} />
              <Route path={viewPaths.credential} element={<Credential />} />
              <Route path={viewPaths.limits} element={<Limits />} />
              <Route path={viewPaths.explain} element={<Explain />} />
              <Route path={viewPaths.account} element={<Account />} />
            </Route>
          </Route>
          <Route element={<Lost />}>
            <Route path="*" element={<NotFound />} />
          </Route>
        </Routes>
      </Suspense>
    </PageFault>
  );
}
