import { DialError, dialErrorOf } from "../dial-error.ts";
import type { DialPlan, PlannedProxy } from "../dial-plan.ts";
import { authorityOf, connectHandshake } from "../dial-through-connect.ts";
import { socksHandshake } from "../dial-through-socks5.ts";
import type { Handshake } from "../proxy-handshake.ts";
import { systemError } from "../system-error.ts";
import type { CommandWriter } from "./command-writer.ts";
import { reasons, stages } from "./protocol.ts";

/** Whether the engine can carry the plan out: it speaks no TLS. */
export function isNativePlan({ proxy, addresses, localAddress }: DialPlan): boolean {
  return (
    proxy?.tls === undefined &&
    proxy?.expects === undefined &&
    !localAddress?.includes("%") &&
    !addresses.some((one) => one.includes("%"))
  );
}

/** Writes a plan as `dial::Plan::read` reads it. */
export function writePlan(writer: CommandWriter, plan: DialPlan, connectMs: number): void {
  writeWay(writer, plan, connectMs, plan.proxy ? messagesTo(plan.proxy) : []);
}

/** The same without the target, which is still to come: as `dial::Proxy::towards` completes it. */
export function writeOpenPlan(writer: CommandWriter, plan: DialPlan, connectMs: number): void {
  writeWay(writer, plan, connectMs, plan.proxy ? openMessagesTo(plan.proxy) : []);
}

function writeWay(
  writer: CommandWriter,
  plan: DialPlan,
  connectMs: number,
  messages: readonly Buffer[],
): void {
  const { addresses, port, localAddress = "", mark = 0, proxy } = plan;
  writer.number(Math.max(1, Math.ceil(connectMs)));
  writer.number(mark);
  writer.number(port);
  writer.text(localAddress);
  writer.number(addresses.length);
  for (const address of addresses) writer.text(address);
  writer.number(proxy === undefined ? 0 : proxy.protocol === "connect" ? 1 : 2);
  writer.number(messages.length);
  for (const message of messages) writer.bytes(message);
}

/** All that is said to a proxy, in order. The handshake is led through with the answers of one that agrees. */
function messagesTo(proxy: PlannedProxy): readonly Buffer[] {
  const handshake = handshakeWith(proxy);
  const messages = [handshake.opening];
  if (proxy.protocol === "connect") return messages;
  const answers = proxy.username === undefined ? [5, 0] : [5, 2, 1, 0];
  handshake.read(Buffer.from(answers), (bytes) => messages.push(bytes));
  return messages;
}

/** In its place stands what no credential contains: those of CONNECT are in base64. */
const ANY_TARGET = { host: "any.invalid", port: 1 };

/** CONNECT: the request in pieces, between which the target belongs. SOCKS5: all but the request. */
function openMessagesTo(proxy: PlannedProxy): readonly Buffer[] {
  const messages = messagesTo({ ...proxy, target: ANY_TARGET });
  if (proxy.protocol === "socks5") return messages.slice(0, -1);
  const pieces = Buffer.concat(messages).toString("latin1").split(authorityOf(ANY_TARGET));
  return pieces.map((piece) => Buffer.from(piece, "latin1"));
}

function handshakeWith(proxy: PlannedProxy): Handshake<unknown> {
  return proxy.protocol === "connect"
    ? connectHandshake(proxy, proxy.target)
    : socksHandshake(proxy, proxy.target);
}

/** What the engine says of a dial that failed. */
export interface NativeFailure {
  readonly stage: number;
  readonly reason: number;
  readonly errno: number;
  /** How many plans had been given for the connection by then. */
  readonly orders: number;
  /** What the proxy answered. */
  readonly answer: Buffer;
}

/** The same error that dialling in TypeScript ends with. */
export function errorOf(failure: NativeFailure, { proxy }: DialPlan): DialError {
  const error = dialErrorOf(causeOf(failure, proxy)).at(stages[failure.stage] ?? "reach");
  if (proxy && failure.stage === 1) {
    error.moved = { sentBytes: bytesSaid(proxy, failure.answer), receivedBytes: failure.answer.length };
  }
  return error;
}

/** How much was said to a proxy that answered this. */
function bytesSaid(proxy: PlannedProxy, answer: Buffer): number {
  const handshake = handshakeWith(proxy);
  let said = handshake.opening.length;
  try {
    handshake.read(answer, ({ length }) => {
      said += length;
    });
  } catch {
    // It refused: nothing was said after that.
  }
  return said;
}

function causeOf({ reason, errno, answer }: NativeFailure, proxy: PlannedProxy | undefined): unknown {
  switch (reasons[reason]) {
    case "timeout":
      return new DialError("connection_timeout");
    case "answer":
      return refusalIn(answer, proxy);
    case "ended":
      return new DialError("upstream_failed", "The upstream proxy closed the connection in the handshake.");
    case "too long":
      return new DialError("bad_response");
    case "no address":
      return new DialError("dns_error");
    default:
      return systemError(errno);
  }
}

/** Reads the answer again, as dialling in TypeScript does, to hear what is wrong with it. */
function refusalIn(answer: Buffer, proxy: PlannedProxy | undefined): unknown {
  try {
    if (proxy) handshakeWith(proxy).read(answer, () => {});
  } catch (error) {
    return error;
  }
  return new DialError("bad_response");
}
