import type { RouteScope } from "@atlantic/shared/control/messages.ts";
import type { Route } from "@atlantic/shared/routing/route.ts";
import type { PageCommand, PopupModel } from "../../messages.ts";
import { exitOfRoute, nameOfRoute } from "../nameOfExit.ts";

interface RulesProps {
  readonly model: PopupModel | null;
  readonly send: (command: PageCommand) => void;
}

/** The rules of the person, each with the way to take it back. */
export function Rules({ model, send }: RulesProps) {
  const rules = model?.rules ?? [];
  return (
    <section className="panel" aria-labelledby="rules">
      <h2 id="rules">Rules</h2>
      <p className="muted">A tab's own choice comes first, then its site, then everything.</p>
      {rules.length === 0 ? (
        <p className="empty">No rules yet. Choose an exit for a site in the popup, and it is listed here.</p>
      ) : (
        <ul>
          {rules.map(({ scope, route }) => (
            <li key={keyOf(scope)} className="rule row">
              <span className="scope grow clip" title={nameOfScope(scope)}>
                {nameOfScope(scope)}
              </span>
              <span className="muted clip">{nameOfRoute(route, model?.exits ?? [])}</span>
              {exitOfRoute(route, model?.exits ?? [])?.demonstration && (
                <span className="tag">demonstration</span>
              )}
              {isDefault(scope, route) ? (
                <span className="faint">unless you choose</span>
              ) : (
                <button
                  type="button"
                  className="button quiet"
                  aria-label={`Remove the rule for ${nameOfScope(scope)}`}
                  onClick={() => send({ kind: "forget", scope })}
                >
                  Remove
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** Everything goes directly until the person says otherwise: there is nothing to take back. */
function isDefault(scope: RouteScope, route: Route): boolean {
  return scope.kind === "everything" && route.kind === "direct";
}

function nameOfScope(scope: RouteScope): string {
  if (scope.kind === "site") return scope.site;
  return scope.kind === "tab" ? `Tab ${scope.tabId}` : "Everything";
}

function keyOf(scope: RouteScope): string {
  return `${scope.kind} ${nameOfScope(scope)}`;
}
