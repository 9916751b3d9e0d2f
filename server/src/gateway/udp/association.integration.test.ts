import { execFile } from "node:child_process";
import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { promisify } from "node:util";
import { LocalAllowance, LocalRate } from "@atlantic/native";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { noFlowLimits } from "../flow-limits.ts";
import { startGateway } from "../gateway.ts";
import type { Gateway, GatewayOptions } from "../options.ts";
import { StoredCredentials } from "../stored-credentials.ts";
import { type GatewayFixture, HMAC_KEY, startGatewayFixture } from "../testing/gateway-fixture.ts";
import { keptUsage } from "../testing/kept-usage.ts";
import { buildUpstreams, upstreamsFileSchema } from "../upstreams/configuration.ts";
import { localUpstream } from "../upstreams/local-upstream.ts";
import { readDatagram, writeDatagram } from "./datagram-header.ts";

const run = promisify(execFile);
const usage = keptUsage();
let fixture: GatewayFixture;
let echo: UdpTarget;

interface UdpTarget {
  readonly port: number;
  /** Payload bytes that came, and from which addresses. */
  readonly arrived: { bytes: number; addresses: Set<string> };
  readonly socket: DatagramSocket;
}

/** Answers every datagram with the same, and `silent…` with nothing. */
async function startEcho(): Promise<UdpTarget> {
  const socket = createSocket("udp4");
  const arrived = { bytes: 0, addresses: new Set<string>() };
  socket.on("message", (payload, { address, port }) => {
    arrived.bytes += payload.length;
    arrived.addresses.add(address);
    if (!payload.toString().startsWith("silent")) socket.send(payload, port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return { port: socket.address().port, arrived, socket };
}

beforeAll(async () => {
  [fixture, echo] = await Promise.all([
    startGatewayFixture({ usage, targets: { allow: ["127.0.0.0/8"], lookup: resolve } }),
    startEcho(),
  ]);
});

afterAll(async () => {
  await fixture.close();
  echo.socket.close();
});

/** A name whose look-up waits for the test. */
const slow = Promise.withResolvers<readonly string[]>();

async function resolve(host: string): Promise<readonly string[]> {
  if (host === "private.test") return ["10.0.0.1"];
  if (host === "echo.test") return ["127.0.0.1"];
  if (host === "slow.test") return slow.promise;
  throw new Error("not found");
}

/** Another gateway for the same account, without a database of its own. */
function anotherGateway(changes: Partial<GatewayOptions>): Promise<Gateway> {
  return startGateway({
    host: "127.0.0.1",
    port: 0,
    credentials: new StoredCredentials({ db: fixture.database.db, key: HMAC_KEY }),
    usage: keptUsage(),
    upstreams: [localUpstream("local")],
    targets: { allow: ["127.0.0.0/8"], lookup: resolve },
    logger: pino({ level: "silent" }),
    ...changes,
  });
}

interface Association {
  readonly control: Socket;
  readonly datagrams: DatagramSocket;
  readonly reply: number;
  readonly relay: { host: string; port: number };
  send(host: string, port: number, payload: string | Buffer): void;
  receive(): Promise<{ host: string; port: number; payload: Buffer }>;
}

async function associate(
  gateway: Gateway,
  { username = fixture.account.username, command = 3, port = 0 } = {},
): Promise<Association> {
  const control = connect(gateway.port, "127.0.0.1");
  const { password } = fixture.account;
  control.on("error", () => {});
  control.write(Buffer.from([5, 1, 2]));
  await once(control, "data");
  control.write(Buffer.concat([text(1, username), text(undefined, password)]));
  await once(control, "data");
  control.write(Buffer.from([5, command, 0, 1, 0, 0, 0, 0, port >> 8, port & 0xff]));
  const [answer] = await once(control, "data");
  const relay = { host: answer.subarray(4, 8).join("."), port: answer.readUInt16BE(8) };
  const datagrams = createSocket("udp4");
  datagrams.bind(0, "127.0.0.1");
  await once(datagrams, "listening");
  return {
    control,
    datagrams,
    reply: answer[1],
    relay,
    send: (host, to, payload) =>
      datagrams.send(
        writeDatagram({ host, port: to, payload: Buffer.from(payload) }),
        relay.port,
        relay.host,
      ),
    async receive() {
      const [bytes] = await once(datagrams, "message");
      const read = readDatagram(bytes);
      if (read === undefined) throw new Error("The relay sent what is no datagram of SOCKS5.");
      return read;
    },
  };
}

function text(version: number | undefined, value: string): Buffer {
  return Buffer.concat([
    Buffer.from([...(version === undefined ? [] : [version]), value.length]),
    Buffer.from(value),
  ]);
}

function end({ control, datagrams }: Association): void {
  control.destroy();
  datagrams.close();
}

describe("UDP ASSOCIATE (RFC 1928 §7)", () => {
  test("carries datagrams both ways, from the exit's own address, and counts their content", async () => {
    const from = usage.connections.length;
    const before = echo.arrived.bytes;
    const association = await associate(fixture.gateway, { username: `${fixture.account.username}-cc-de` });
    expect(association.reply).toBe(0);
    expect(association.relay.host).toBe("127.0.0.1");
    association.send("127.0.0.1", echo.port, "one");
    expect(await association.receive()).toMatchObject({
      host: "127.0.0.1",
      port: echo.port,
      payload: Buffer.from("one"),
    });
    association.send("echo.test", echo.port, Buffer.alloc(8_000, "n"));
    expect((await association.receive()).payload.length).toBe(8_000);
    expect([...echo.arrived.addresses].some((address) => address.startsWith("127.1.2."))).toBe(true);
    const flow = usage.connections[from];
    end(association);
    while (flow?.end === undefined) await new Promise((done) => setTimeout(done, 5));
    expect(flow.totals()).toMatchObject({ sentBytes: 8_003, receivedBytes: 8_003, requests: 1 });
    expect(echo.arrived.bytes - before).toBe(8_003);
    expect(flow.end).toEqual({ outcome: "ended", failed: false });
    expect(flow.record).toMatchObject({ protocol: "socks5", targetHost: "*", targetPort: 0 });
  });

  test("works with Python's sockets", async () => {
    const { username, password } = fixture.account;
    const script = `
import socket, struct, sys
host, port, user, password, target = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode(), sys.argv[4].encode(), int(sys.argv[5])
tcp = socket.create_connection((host, port), 5)
tcp.sendall(b"\\x05\\x01\\x02"); assert tcp.recv(2) == b"\\x05\\x02"
tcp.sendall(bytes([1, len(user)]) + user + bytes([len(password)]) + password); assert tcp.recv(2) == b"\\x01\\x00"
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(("127.0.0.1", 0)); udp.settimeout(5)
tcp.sendall(b"\\x05\\x03\\x00\\x01" + socket.inet_aton("127.0.0.1") + struct.pack(">H", udp.getsockname()[1]))
reply = tcp.recv(10); assert reply[1] == 0, reply
relay = (socket.inet_ntoa(reply[4:8]), struct.unpack(">H", reply[8:10])[0])
udp.sendto(b"\\x00\\x00\\x00\\x01" + socket.inet_aton("127.0.0.1") + struct.pack(">H", target) + b"from python", relay)
print(udp.recvfrom(2048)[0][10:].decode())
`;
    const { stdout } = await run("python3", [
      "-c",
      script,
      "127.0.0.1",
      String(fixture.gateway.port),
      username,
      password,
      String(echo.port),
    ]);
    expect(stdout.trim()).toBe("from python");
  });

  test("drops fragments, and what goes to private addresses, closed ports and unknown names", async () => {
    const association = await associate(fixture.gateway);
    const before = echo.arrived.bytes;
    const fragment = writeDatagram({ host: "127.0.0.1", port: echo.port, payload: Buffer.from("fragment") });
    fragment[2] = 1;
    association.datagrams.send(fragment, association.relay.port, association.relay.host);
    association.send("10.0.0.1", 53, "private");
    association.send("private.test", 53, "private by name");
    association.send("unknown.test", 53, "no such name");
    association.send("127.0.0.1", 25, "mail");
    association.send("127.0.0.1", echo.port, "the last");
    expect((await association.receive()).payload.toString()).toBe("the last");
    expect(echo.arrived.bytes - before).toBe("the last".length);
    const open = usage.connections.at(-1);
    expect(open?.totals().sentBytes).toBe("the last".length);
    end(association);
  });

  test("keeps only so much of what waits for a name to be looked up", async () => {
    const association = await associate(fixture.gateway);
    const open = usage.connections.at(-1);
    for (let sent = 0; sent < 20; sent++) {
      association.send("slow.test", echo.port, Buffer.alloc(50_000, "silent"));
      association.send("127.0.0.1", echo.port, "next");
      await association.receive();
    }
    slow.resolve(["127.0.0.1"]);
    await expect.poll(() => open?.totals().sentBytes).toBe(20 * "next".length + 5 * 50_000);
    end(association);
  });

  test("takes datagrams from the client's own port only, and answers from where something was sent", async () => {
    const association = await associate(fixture.gateway);
    association.send("127.0.0.1", echo.port, "mine");
    await association.receive();
    const stranger = createSocket("udp4");
    const foreign = writeDatagram({ host: "127.0.0.1", port: echo.port, payload: Buffer.from("foreign") });
    const before = echo.arrived.bytes;
    stranger.send(foreign, association.relay.port, association.relay.host);
    association.send("127.0.0.1", echo.port, "mine again");
    expect((await association.receive()).payload.toString()).toBe("mine again");
    expect(echo.arrived.bytes - before).toBe("mine again".length);
    stranger.close();
    end(association);
  });

  test("ends with its TCP connection, and the other way round", async () => {
    const association = await associate(fixture.gateway);
    const open = usage.connections.at(-1);
    expect(fixture.gateway.disconnect(open?.record.id ?? "")).toBe(true);
    await once(association.control.resume(), "close");
    expect(open?.end?.outcome).toBe("disconnected");
    association.datagrams.close();
  });

  test("refuses BIND with reply 7", async () => {
    const association = await associate(fixture.gateway, { command: 2 });
    expect(association.reply).toBe(7);
    end(association);
  });

  test("goes through a SOCKS5 provider by an association there, and is refused where the exit has none", async () => {
    const upstream = (protocol: "socks5" | "http", port: number) =>
      buildUpstreams(
        upstreamsFileSchema.parse({
          upstreams: [
            {
              kind: "generic",
              name: "next",
              protocol,
              host: "127.0.0.1",
              port,
              username: fixture.account.username,
              password: fixture.account.password,
              places: [{ country: "de", label: "Germany" }],
            },
          ],
        }),
      );
    const chained = await anotherGateway({ upstreams: upstream("socks5", fixture.gateway.port) });
    const association = await associate(chained);
    expect(association.reply).toBe(0);
    association.send("127.0.0.1", echo.port, "through two");
    expect((await association.receive()).payload.toString()).toBe("through two");
    end(association);
    await chained.close();
    const withoutUdp = await anotherGateway({ upstreams: upstream("http", fixture.gateway.port) });
    const refused = await associate(withoutUdp);
    expect(refused.reply).toBe(7);
    end(refused);
    await withoutUdp.close();
  });

  test("takes from allowance and rate, and is cut when the allowance ends", async () => {
    const allowance = new LocalAllowance(0, { onLow: () => {}, onDry: () => allowance.close() });
    const rate = new LocalRate(1_000_000);
    const limited = await anotherGateway({
      usage,
      flowLimits: { admit: () => ({ ...noFlowLimits, allowance, rate }), checkTarget: () => {} },
    });
    allowance.add(2_500);
    const association = await associate(limited);
    const open = usage.connections.at(-1);
    association.send("127.0.0.1", echo.port, Buffer.alloc(1_000, "a"));
    await association.receive();
    association.send("127.0.0.1", echo.port, Buffer.alloc(1_000, "b"));
    await once(association.control.resume(), "close");
    expect(open?.end?.outcome).toBe("quota_exhausted");
    const { sentBytes = 0, receivedBytes = 0 } = open?.totals() ?? {};
    expect(sentBytes + receivedBytes + allowance.remaining).toBe(2_500);
    association.datagrams.close();
    await limited.close();
  });

  test("an association in which nothing moves ends", async () => {
    const impatient = await anotherGateway({ usage, limits: { idleMs: 300 } });
    const association = await associate(impatient);
    const open = usage.connections.at(-1);
    await once(association.control.resume(), "close");
    expect(open?.end?.outcome).toBe("idle");
    association.datagrams.close();
    await impatient.close();
  });
});
