import { useQuery } from "@tanstack/react-query";
import { Suspense, useEffect, useRef } from "react";
import { NavLink, Outlet, useLocation } from "react-router";
import { accountQuery } from "../api/queries.ts";
import { PageFault } from "./PageFault.tsx";

const pages = [
  { to: "/", name: "Dashboard" },
  { to: "/exits", name: "Exits" },
  { to: "/credentials", name: "Credentials" },
  { to: "/limits", name: "Limits" },
  { to: "/user-names", name: "User names" },
  { to: "/account", name: "Account" },
] as const;

/** The ways between the pages, and the page. */
export function Frame() {
  const main = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  const first = useRef(true);
  // A new page starts at its top for the keyboard and for a screen reader, as a loaded page would.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the path is what a new page is.
  useEffect(() => {
    if (!first.current) main.current?.focus();
    first.current = false;
  }, [pathname]);
  return (
    <div className="frame">
      <a className="skip button" href="#main">
        Skip to the page
      </a>
      <nav aria-label="Pages">
        <div>
          <div className="brand">Atlantic</div>
          <ul>
            {pages.map(({ to, name }) => (
              <li key={to}>
                <NavLink to={to} end>
                  {name}
                </NavLink>
              </li>
            ))}
          </ul>
          <div className="grow" />
          <Who />
        </div>
      </nav>
      <main id="main" ref={main} tabIndex={-1}>
        <PageFault key={pathname}>
          <Suspense>
            <Outlet />
          </Suspense>
        </PageFault>
      </main>
    </div>
  );
}

function Who() {
  const account = useQuery(accountQuery);
  return <div className="who clip faint px-2.5 text-xs">{account.data?.email}&nbsp;</div>;
}
