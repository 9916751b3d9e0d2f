import type { Status } from "@atlantic/shared/control/messages.ts";
import { protectionInWords } from "./show-protection.ts";
import { bytesInWords, counted, durationInWords, routeInWords } from "./words.ts";

/** The status as a person reads it. */
export function statusInWords(status: Status, now: number): string {
  const { upstream, usage, account } = status;
  return [
    `Companion    ${status.version}, running for ${durationInWords(now - status.startedAt)}`,
    `Local proxy  ${status.proxy.host}:${status.proxy.port}`,
    `Exits by     ${upstream.name}, ${upstream.reachable ? "reachable" : "NOT reachable"}`,
    ...(upstream.problem === null ? [] : [`             ${upstream.problem}`]),
    ...protectionLines(status),
    ...programsLines(status),
    ...browsersInWords(status),
    ...sessionsInWords(status, now),
    `Usage        ${bytesInWords(usage.sentBytes)} sent, ${bytesInWords(usage.receivedBytes)} received, ${counted(usage.requests, "request")} since the start`,
    ...(account === null
      ? []
      : [
          `Account      ${bytesInWords(account.remainingBytes)} left of ${bytesInWords(account.allowanceBytes)}`,
        ]),
  ].join("\n");
}

function protectionLines({ protection }: Status): string[] {
  if (protection === null) return [];
  return protectionInWords(protection).map(
    (line, index) => `${index === 0 ? "Machine      " : "             "}${line}`,
  );
}

function programsLines({ systemProxy }: Status): string[] {
  if (systemProxy === null) return [];
  const { port, exit, desktops } = systemProxy;
  const whose = desktops.length === 0 ? "no desktop leads there" : `${desktops.join(" and ")} leads there`;
  return [`Programs     127.0.0.1:${port} to ${routeInWords({ kind: "exit", exit })}; ${whose}`];
}

function browsersInWords({ browsers }: Status): string[] {
  if (browsers.length === 0) return ["Browsers     none connected"];
  return browsers.map(
    ({ id, name, tabs, routes }) =>
      `Browser      ${name} (${id}): ${counted(tabs, "tab")}, ${counted(routes, "route")}`,
  );
}

function sessionsInWords({ sessions }: Status, now: number): string[] {
  return sessions.map(({ routeId, address, problem, expiresAt }) => {
    const left = expiresAt === null ? "" : `, ${durationInWords(expiresAt - now)} left`;
    return `Session      ${routeId}: ${address ?? problem ?? "address not known yet"}${left}`;
  });
}
