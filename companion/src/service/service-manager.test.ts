import type { ProtectionView } from "@atlantic/shared/control/protection.ts";
import { protectionStates } from "@atlantic/shared/control/protection.ts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ServiceManager } from "./service-manager.ts";

const SOCKET = "/run/systemd/notify";
const sent: string[] = [];
const send = (socket: string, message: string) => {
  expect(socket).toBe(SOCKET);
  sent.push(message);
  return true;
};
const at = (state: ProtectionView["state"], blockingFailed = false) => ({ state, blockingFailed });
const asked = (more: Record<string, string> = {}) => ({ NOTIFY_SOCKET: SOCKET, ...more });

beforeEach(() => {
  sent.length = 0;
  vi.useFakeTimers();
});
afterEach(() => void vi.useRealTimers());

test("without systemd nothing is said, and nothing is needed to say it", () => {
  const manager = ServiceManager.of({}, () => {
    throw new Error("Nobody listens.");
  });
  manager.stands(at("open"));
  vi.advanceTimersByTime(600_000);
  manager.stops();
});

test("it is ready with its first state, and each other state is told once", () => {
  const manager = ServiceManager.of(asked(), send);
  expect(sent.join()).not.toContain("READY=1");
  sent.length = 0;
  for (const state of ["connecting", "connecting", "connected", "connected"] as const)
    manager.stands(at(state));
  vi.advanceTimersByTime(600_000);
  expect(sent).toEqual([
    "READY=1\nSTATUS=Connecting: everything is blocked until an upstream answers.",
    "READY=1\nSTATUS=Connected: everything goes through an upstream.",
  ]);
});

test("every state has one line that says it, and a daemon without protection has one as well", () => {
  const manager = ServiceManager.of(asked(), send);
  sent.length = 0;
  for (const state of protectionStates) manager.stands(at(state));
  manager.stands(null);
  expect(new Set(sent).size).toBe(protectionStates.length + 1);
  for (const message of sent) expect(message).toMatch(/^READY=1\nSTATUS=[^\n]{10,100}$/);
});

test("what should block and cannot is not ready until it does", () => {
  const manager = ServiceManager.of(asked(), send);
  sent.length = 0;
  manager.stands(at("error", true));
  expect(sent).toEqual([expect.stringContaining("NOTHING IS BLOCKED")]);
  expect(sent[0]).not.toContain("READY");
  manager.stands(at("error"));
  expect(sent[1]).toContain("READY=1");
});

test("the watchdog hears from it twice in its time, with all that an earlier message may not have brought", () => {
  const manager = ServiceManager.of(
    asked({ WATCHDOG_USEC: "60000000", WATCHDOG_PID: `${process.pid}` }),
    send,
  );
  manager.stands(at("locked"));
  sent.length = 0;
  vi.advanceTimersByTime(29_999);
  expect(sent).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(sent).toEqual(["READY=1\nSTATUS=Locked: everything is blocked.\nWATCHDOG=1"]);
  manager.stands(at("connecting"));
  vi.advanceTimersByTime(60_000);
  expect(sent).toHaveLength(4);
  manager.stops();
  expect(sent.at(-1)).toMatch(/^STOPPING=1\n/);
  manager.stands(at("error"));
  vi.advanceTimersByTime(60_000);
  expect(sent).toHaveLength(5);
});

test("a watchdog of another process, or of no time, is none", () => {
  for (const more of [{ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "1" }, { WATCHDOG_USEC: "soon" }]) {
    ServiceManager.of(asked(more), send).stands(at("open"));
    sent.length = 0;
    vi.advanceTimersByTime(600_000);
    expect(sent).toEqual([]);
  }
});

test("no child of the daemon's is told of the socket", () => {
  const environment = { ...asked({ WATCHDOG_USEC: "1", WATCHDOG_PID: "1" }), PATH: "/bin" };
  ServiceManager.of(environment, send);
  expect(environment).toEqual({ PATH: "/bin" });
});

test("where systemd waits and cannot be told, the start fails and says why", () => {
  expect(() => ServiceManager.of(asked(), () => null)).toThrow(/native addon/);
});
