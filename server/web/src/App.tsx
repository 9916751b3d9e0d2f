import { lazy, Suspense } from "react";
import { Route, Routes } from "react-router";
import { Frame } from "./frame/Frame.tsx";
import { PageFault } from "./frame/PageFault.tsx";
import { RequireAccount } from "./frame/RequireAccount.tsx";
import { NotFound } from "./pages/NotFound.tsx";

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
          <Route path="/sign-in" element={<SignIn />} />
          <Route path="/sign-up" element={<SignUp />} />
          <Route path="/sign-in/once" element={<SignInOnce />} />
          <Route element={<RequireAccount />}>
            <Route element={<Frame />}>
              <Route index element={<Dashboard />} />
              <Route path="/exits" element={<Exits />} />
              <Route path="/credentials" element={<Credentials />} />
              <Route path="/credentials/:id" element={<Credential />} />
              <Route path="/limits" element={<Limits />} />
              <Route path="/user-names" element={<Explain />} />
              <Route path="/account" element={<Account />} />
              <Route path="*" element={<NotFound />} />
            </Route>
          </Route>
        </Routes>
      </Suspense>
    </PageFault>
  );
}
