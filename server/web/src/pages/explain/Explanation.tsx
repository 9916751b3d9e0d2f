import { formatBytes } from "@atlantic/shared/look/bytes.ts";
import type { ReactNode } from "react";
import type { api } from "../../api/trpc.ts";
import { formatDayAndTime } from "../../parts/moments.ts";
import { UpstreamsAsked } from "./UpstreamsAsked.tsx";

export type ExplanationData = Awaited<ReturnType<typeof api.proxy.explain.mutate>>;
type Fault = NonNullable<ExplanationData["error"]>;

interface ExplanationProps {
  readonly of: ExplanationData;
  /** The user name as it was written. */
  readonly text: string;
}

/** The parts of a user name, what would come of it, and what it costs. */
export function Explanation({
  of: { username, error, upstreams, price, limits, session },
  text,
}: ExplanationProps) {
  return (
    <>
      {error && <Refusal fault={error} at={username.readable ? null : username.at} text={text} />}
      {username.readable && (
        <section className="panel" aria-labelledby="parts">
          <h2 id="parts">Its parts</h2>
          <div className="wide mt-1">
            <table>
              <thead className="unseen">
                <tr>
                  <th scope="col">Part</th>
                  <th scope="col">Meaning</th>
                </tr>
              </thead>
              <tbody>
                <Part name={username.credential} meaning="the credential" />
                {username.parts.map(({ key, value, meaning }) => (
                  <Part key={key} name={value === "" ? key : `${key}-${value}`} meaning={meaning} />
                ))}
              </tbody>
            </table>
          </div>
          <p className="muted mt-2">
            {username.parts.length === 0 && "No place is asked for: any exit. "}
            {username.rotation}
            {session &&
              ` The session ends ${formatDayAndTime(session.expiresAt)}${session.lost ? "; its address is lost" : ""}.`}
          </p>
          {username.spelling === "oxylabs" && (
            <p className="muted mt-1">
              In our own spelling: <span className="mono break-all">{username.canonical}</span>
            </p>
          )}
        </section>
      )}
      {username.readable && <UpstreamsAsked upstreams={upstreams} />}
      {limits && (
        <section className="panel" aria-labelledby="terms">
          <h2 id="terms">Price and limits</h2>
          <dl className="mt-2 grid gap-x-6 gap-y-2 sm:grid-cols-2">
            <Fact name="Price">
              {price
                ? `${price.pricePerGb} ${price.currency} per GB of 10⁹ bytes (${price.plan})`
                : "This account has no plan: nothing is charged, its allowance is used."}
            </Fact>
            <Fact name="Left to use">
              {limits.remainingBytes === null ? "no limit" : formatBytes(BigInt(limits.remainingBytes))}
            </Fact>
            <Fact name="Requests per second">{limits.requestsPerSecond ?? "no limit"}</Fact>
            <Fact name="Bandwidth">
              {limits.bandwidth === null
                ? "no limit"
                : `${formatBytes(BigInt(limits.bandwidth))} per second, both directions together`}
            </Fact>
            <Fact name="Signs in by">{ways[limits.authentication]}</Fact>
            {limits.allowedAddresses.length > 0 && (
              <Fact name="Allowed addresses">
                <span className="mono">{limits.allowedAddresses.join(", ")}</span>
              </Fact>
            )}
          </dl>
        </section>
      )}
    </>
  );
}

const ways = {
  password: "user name and password",
  address: "the client's address",
  password_and_address: "password and the client's address, both",
} as const;

function Part({ name, meaning }: { readonly name: string; readonly meaning: string }) {
  return (
    <tr>
      <td className="mono w-1/3 break-all">{name}</td>
      <td>{meaning}</td>
    </tr>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <div>
      <dt className="faint text-xs">{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

interface RefusalProps {
  readonly fault: Fault;
  readonly at: { readonly start: number; readonly end: number } | null;
  readonly text: string;
}

/** What the gateway would answer, as each kind of client gets it, and which part is to blame. */
function Refusal({ fault, at, text }: RefusalProps) {
  return (
    <section className="notice bad" aria-live="polite">
      <p>
        {fault.detail && <strong className="font-semibold">{fault.detail} </strong>}
        {fault.sentence}
      </p>
      {at && (
        <p className="mono mt-2 break-all">
          {text.slice(0, at.start)}
          <mark className="rounded bg-(--bad) px-0.5 text-(--surface)">{text.slice(at.start, at.end)}</mark>
          {text.slice(at.end)}
        </p>
      )}
      <p className="mt-2 text-xs">
        HTTP {fault.httpStatus} · SOCKS5{" "}
        {fault.socks5Reply === null
          ? "login refused"
          : `reply 0x${fault.socks5Reply.toString(16).padStart(2, "0")}`}{" "}
        · <span className="mono wrap-anywhere">Proxy-Status: {fault.proxyStatus}</span>
      </p>
    </section>
  );
}
