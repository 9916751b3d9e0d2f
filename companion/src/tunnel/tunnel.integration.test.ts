import { setTimeout as delay } from "node:timers/promises";
import { addonState } from "@atlantic/native";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TUNNEL_ADDRESS4, TUNNEL_ADDRESS6 } from "../firewall/policy.ts";
import { addresses, canMakeNamespaces } from "./testing/namespaces.ts";
import { TunnelLab } from "./testing/tunnel-lab.ts";

const canRun = canMakeNamespaces() && addonState().kind === "loaded";
const names = { "198.18.5.5": "a.10.61.2.2.test", "fd61:746c:1::5": "b.10.61.2.2.test" };
const { origin } = addresses;

/** Sends an echo request, and prints type and code of the first answer. */
const PING = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.settimeout(20)
s.sendto(bytes([8, 0, 0xf7, 0xff, 0, 0, 0, 0]), (sys.argv[1], 0))
while True:
    packet = s.recv(2048)
    if packet[20] != 8: break
print(packet[20], packet[21])
`;

let lab: TunnelLab;

beforeAll(async () => {
  if (!canRun) return;
  lab = await TunnelLab.start();
  await lab.open({ names, holdMs: 4_000 });
  await lab.order({ use: lab.through("socks5"), routes: "up" });
});

afterAll(() => lab?.remove());

/** What the proxy was asked for since it had said so much. */
function askedSince(from: number): string[] {
  return lab.upstream.said.slice(from).flatMap(({ asked }) => (typeof asked === "string" ? [asked] : []));
}

test.skipIf(!canRun)("TCP of both families goes through SOCKS5 and CONNECT, each asked once", async () => {
  for (const protocol of ["socks5", "connect"] as const) {
    await lab.order({ use: lab.through(protocol) });
    const from = lab.upstream.said.length;
    const hello = `hello from ${lab.ports.http}\n`;
    expect(await lab.curl(`http://${origin.v4}:${lab.ports.http}/`)).toBe(hello);
    expect(await lab.curl(`http://[${origin.v6}]:${lab.ports.http}/`)).toBe(hello);
    expect(await lab.curl("--http2-prior-knowledge", `http://${origin.v4}:${lab.ports.http2}/`)).toBe(
      "hello over HTTP/2\n",
    );
    expect(askedSince(from)).toHaveLength(3);
  }
});

test.skipIf(!canRun)("what is led into the device has the source that the firewall lets pass", async () => {
  for (const [target, source] of [
    [origin.v4, TUNNEL_ADDRESS4],
    ["198.18.5.5", TUNNEL_ADDRESS4],
    [origin.v6, TUNNEL_ADDRESS6],
    ["fd61:746c:1::5", TUNNEL_ADDRESS6],
  ] as const) {
    const { stdout } = await lab.namespaces.run("client", ["ip", "route", "get", target]);
    expect(stdout).toContain(` src ${source} `);
  }
});

test.skipIf(!canRun)("a login is shown to both kinds of proxy", async () => {
  await lab.order({ use: lab.through("socks5", { username: "user", password: "secret" }) });
  expect(await lab.curl(`http://${origin.v4}:${lab.ports.http}/`)).toContain("hello");
  await lab.order({ use: lab.through("socks5", { username: "user", password: "wrong" }) });
  const refused = await lab.application("ask", origin.v4, lab.ports.banner);
  expect(refused.error).toBe("ECONNRESET");
});

test.skipIf(!canRun)(
  "a fake address is asked for by its name, and one that nobody knows is reset",
  async () => {
    await lab.order({ use: lab.through("socks5") });
    const from = lab.upstream.said.length;
    for (const [fake, name] of Object.entries(names)) {
      const literal = fake.includes(":") ? `[${fake}]` : fake;
      expect(await lab.curl(`http://${literal}:${lab.ports.http}/`)).toContain("hello");
      expect(askedSince(from)).toContain(`${name} ${lab.ports.http}`);
    }
    const unknown = await lab.application("ask", "198.18.9.9", 80);
    expect(unknown.error).toBe("ECONNRESET");
    expect(askedSince(from)).toHaveLength(2);
  },
);

test.skipIf(!canRun)("a server that speaks first is heard, and each half ends by itself", async () => {
  for (const protocol of ["socks5", "connect"] as const) {
    await lab.order({ use: lab.through(protocol) });
    const { heard } = await lab.application("talk", origin.v4, lab.ports.banner);
    expect(heard).toBe("SSH-2.0-test\r\nand what I said\r\ngoodbye\r\n");
  }
});

test.skipIf(!canRun)(
  "a reset of the site, a refusal and an upstream that is not there end with a reset",
  async () => {
    await lab.order({ use: lab.through("socks5") });
    expect((await lab.application("ask", origin.v4, lab.ports.resets)).error).toBe("ECONNRESET");
    expect((await lab.application("ask", origin.v4, 9)).error).toBe("ECONNRESET");
    const from = lab.tunnel?.said.length ?? 0;
    await lab.order({ use: lab.through("socks5", { port: 9 }) });
    expect((await lab.application("ask", origin.v4, lab.ports.banner)).error).toBe("ECONNRESET");
    await lab.tunnel?.hears("that the dial failed", ({ trouble }) => trouble === "dial failed", from);
  },
);

test.skipIf(!canRun)(
  "20 MB there and back arrive as they were sent, through both kinds of proxy",
  async () => {
    const bytes = 20_000_000;
    for (const protocol of ["socks5", "connect"] as const) {
      await lab.order({ use: lab.through(protocol) });
      const echoed = await lab.application("echo", origin.v4, lab.ports.banner, String(bytes));
      expect(echoed).toEqual({ count: bytes, same: true });
    }
  },
);

test.skipIf(!canRun)("CONNECT inside TLS and over HTTP/2 carries as the plain one does", async () => {
  const secure = { tls: true, host: "upstream.test", ca: lab.certificate };
  const ways = [
    lab.through("connect", { ...secure, port: lab.ports.tls }),
    lab.through("connect", { ...secure, protocol: "h2", port: lab.ports.h2 }),
  ];
  for (const way of ways) {
    await lab.order({ use: way });
    const from = lab.upstream.said.length;
    const { heard } = await lab.application("talk", origin.v4, lab.ports.banner);
    expect(heard).toBe("SSH-2.0-test\r\nand what I said\r\ngoodbye\r\n");
    const echoed = await lab.application("echo", origin.v6, lab.ports.banner, "5000000");
    expect(echoed).toEqual({ count: 5_000_000, same: true });
    expect((await lab.application("ask", origin.v4, 9)).error).toBe("ECONNRESET");
    expect(await lab.curl(`http://198.18.5.5:${lab.ports.http}/`)).toContain("hello");
    expect(askedSince(from)).toHaveLength(4);
    if (way.protocol !== "h2") continue;
    const sessions = lab.upstream.said.slice(from).filter(({ session }) => session === true);
    expect(sessions).toHaveLength(1);
  }
  // Somebody else's certificate: nothing is asked there.
  const from = lab.upstream.said.length;
  await lab.order({ use: lab.through("connect", { tls: true, host: "other.test", port: lab.ports.tls }) });
  expect((await lab.application("ask", origin.v4, lab.ports.banner)).error).toBe("ECONNRESET");
  expect(askedSince(from)).toEqual([]);
});

test.skipIf(!canRun)("hundreds of short connections are all answered", async () => {
  await lab.order({ use: lab.through("socks5") });
  const { good } = await lab.application("many", origin.v4, lab.ports.banner, "600");
  expect(good).toBe(600);
});

test.skipIf(!canRun)(
  "datagrams of both families go through the proxy's association and come back",
  async () => {
    await lab.order({ use: lab.through("socks5", { udp: true }) });
    const lengths = "1,1200,1300,512";
    const there = [1, 1200, 1300, 512];
    for (const host of [origin.v4, origin.v6, "198.18.5.5"]) {
      const { back, from } = await lab.application("datagrams", host, lab.ports.udp, lengths);
      expect(back).toEqual(there);
      expect(from).toBe(`${host} ${lab.ports.udp}`);
    }
    const from = lab.upstream.said.length;
    const { counters } = await lab.order({ counters: true, use: lab.through("connect") });
    expect(counters).toMatchObject({ sentDatagrams: 12, receivedDatagrams: 12 });
    await lab.upstream.hears(
      "that the associations are over",
      (said) => said.associationEnded === true,
      from,
    );
  },
);

test.skipIf(!canRun)("datagrams that the upstream does not carry are refused at once", async () => {
  await lab.order({ use: lab.through("connect") });
  for (const host of [origin.v4, origin.v6]) {
    const { error } = await lab.application("datagrams", host, lab.ports.udp, "100");
    expect(error).toBe("ECONNREFUSED");
  }
});

test.skipIf(!canRun)(
  "an echo request is answered with an error, and by the tunnel's own address",
  async () => {
    const far = await lab.namespaces.run("client", ["python3", "-c", PING, origin.v4]);
    // Destination unreachable, administratively prohibited (RFC 1812 §5.2.7.1).
    expect(far.stdout.trim()).toBe("3 13");
    const own = await lab.namespaces.run("client", ["python3", "-c", PING, "198.18.0.2"]);
    expect(own.stdout.trim()).toBe("0 0");
  },
);

test.skipIf(!canRun)("flows of an upstream that is left end with a reset, unless they are kept", async () => {
  await lab.order({ use: lab.through("socks5") });
  const left = lab.begin("stay", origin.v4, lab.ports.banner);
  await left.hears("that it is connected", (said) => said.connected === true);
  await lab.order({ use: lab.through("connect") });
  await left.hears("that it was reset", (said) => said.error === "ECONNRESET");

  const kept = lab.begin("stay", origin.v4, lab.ports.banner);
  await kept.hears("that it is connected", (said) => said.connected === true);
  await lab.order({ use: lab.through("socks5"), keep: true });
  kept.child.stdin?.write("now\n");
  await kept.hears("that it is still carried", (said) => said.heard === true);
});

test.skipIf(!canRun)(
  "without an upstream new flows wait for one, and are reset when none comes",
  async () => {
    await lab.order({ use: null });
    const waiting = lab.begin("stay", origin.v4, lab.ports.banner);
    await untilCounter("heldFlows", 1);
    await lab.order({ use: lab.through("socks5") });
    await waiting.hears("that it is connected", (said) => said.connected === true);

    await lab.order({ use: null });
    const late = await lab.application("ask", origin.v4, lab.ports.banner);
    expect(late.error).toBe("ECONNRESET");
    await untilCounter("openFlows", 0);
    await untilCounter("heldFlows", 0);
  },
);

test.skipIf(!canRun)(
  "a flow whose upstream is being reached goes through the one that takes its place",
  async () => {
    for (const protocol of ["socks5", "connect"] as const) {
      await lab.order({ use: lab.through(protocol, { addresses: ["10.61.1.9"] }) });
      const flow = lab.begin("stay", origin.v4, lab.ports.banner);
      await untilCounter("openFlows", 1);
      await lab.order({ use: lab.through(protocol) });
      await flow.hears("that it is connected", (said) => said.connected === true);
      await lab.order({ use: null });
      await untilCounter("openFlows", 0);
    }
  },
);

test.skipIf(!canRun)(
  "a device that was taken away, and rules that were deleted, come back by themselves",
  async () => {
    await lab.order({ use: lab.through("socks5") });
    const from = lab.tunnel?.said.length ?? 0;
    await lab.namespaces.run("client", ["ip", "link", "del", "atlantic-tun0"]);
    await lab.tunnel?.hears("that the device is back", ({ trouble }) => trouble === "device back", from);
    expect(await lab.curl(`http://${origin.v4}:${lab.ports.http}/`)).toContain("hello");

    await lab.namespaces.run("client", ["sh", "-c", "ip rule flush; ip rule add priority 32766 lookup main"]);
    await lab.tunnel?.hears("that routes are restored", ({ trouble }) => trouble === "routes restored", from);
    await lab.namespaces.run("client", ["ip", "link", "set", "atlantic-tun0", "down"]);
    await lab.tunnel?.hears(
      "that the device is up again",
      ({ trouble, detail }) => trouble === "routes restored" && String(detail).includes("down"),
      from,
    );
    expect(await lab.curl(`http://[${origin.v6}]:${lab.ports.http}/`)).toContain("hello");
  },
);

test.skipIf(!canRun)(
  "a device that was renamed, and a stranger by its name, do not keep it away",
  async () => {
    await lab.order({ use: lab.through("socks5") });
    const from = lab.tunnel?.said.length ?? 0;
    const back = (since = from) =>
      lab.tunnel?.hears("that the device is back", ({ trouble }) => trouble === "device back", since);
    const ip = (...commands: string[]) =>
      lab.namespaces.run("client", ["sh", "-c", `printf '${commands.join("\\n")}\\n' | ip -batch -`]);
    await ip(
      "link add stranger type bridge",
      "link set atlantic-tun0 down",
      "link set atlantic-tun0 name renamed",
      "link set stranger name atlantic-tun0",
      "link set atlantic-tun0 up",
    );
    await back();
    expect(await lab.curl(`http://${origin.v4}:${lab.ports.http}/`)).toContain("hello");
    expect(await lab.curl(`http://[${origin.v6}]:${lab.ports.http}/`)).toContain("hello");
    const { stdout } = await lab.namespaces.run("client", ["ip", "link"]);
    expect(stdout).not.toContain("renamed");

    const later = lab.tunnel?.said.length ?? 0;
    await ip("link delete atlantic-tun0", "link delete atlantic-tun1");
    await back(later);
    const route = await lab.namespaces.run("client", ["ip", "route", "get", origin.v4]);
    expect(route.stdout).toContain("dev atlantic-tun0 ");
  },
);

test.skipIf(!canRun)("a new default route is followed, with no restart", async () => {
  await lab.order({ use: lab.through("socks5") });
  const from = lab.tunnel?.said.length ?? 0;
  const change = [
    "ip addr add 10.61.1.77/24 dev eth0",
    "ip route replace default via 10.61.1.1 dev eth0 src 10.61.1.77",
    "ip route add 0.0.0.0/1 via 10.61.1.99",
  ];
  await lab.namespaces.run("client", ["sh", "-c", change.join(" && ")]);
  await lab.tunnel?.hears("that the network changed", ({ trouble }) => trouble === "network changed", from);
  expect(await lab.curl(`http://${origin.v4}:${lab.ports.http}/`)).toContain("hello");
});

test.skipIf(!canRun)(
  "only private addresses are reached beside the tunnel, and only where that is allowed",
  async () => {
    await lab.order({ use: lab.through("socks5") });
    const route = async (address: string): Promise<string> =>
      (await lab.namespaces.run("client", ["ip", "route", "get", address])).stdout;
    expect(await route(addresses.upstream.v4)).toContain("atlantic-tun0");
    await lab.order({ allowLan: true });
    expect(await route(addresses.upstream.v4)).toContain("eth0");
    // A route to everything else that a hostile network announces.
    await lab.namespaces.run("client", [
      "ip",
      "route",
      "add",
      "203.0.113.0/24",
      "via",
      addresses.upstream.v4,
    ]);
    expect(await route("203.0.113.9")).toContain("atlantic-tun0");
    await lab.order({ allowLan: false });
    expect(await route(addresses.upstream.v4)).toContain("atlantic-tun0");
  },
);

test.skipIf(!canRun)(
  "after SIGKILL there is no way out, and the next tunnel takes over what is there",
  async () => {
    await lab.tunnel?.stop("SIGKILL");
    const out = await lab.namespaces.run("client", [
      "curl",
      "-sS",
      "-m",
      "5",
      `http://${origin.v4}:${lab.ports.http}/`,
    ]);
    expect(out.code).not.toBe(0);
    await lab.open({ names });
    await lab.order({ use: lab.through("connect"), routes: "up" });
    expect(await lab.curl(`http://${origin.v4}:${lab.ports.http}/`)).toContain("hello");
    await lab.order({ routes: "down" });
    await lab.order({ close: true });
    const { stdout } = await lab.namespaces.run("client", [
      "sh",
      "-c",
      "ip rule; ip -6 rule; ip route show table all; ip link",
    ]);
    expect(stdout).not.toMatch(/atlantic|7461|17\d\d\d:|18\d\d\d:|unreachable/);
  },
);

test.skipIf(!canRun)(
  "a split leads what it names beside the tunnel, or only that through it, and nowhere without",
  async () => {
    const chosen = { cgroups: [], uids: [1234], destinations: ["10.61.2.0/25", "fd00:61:2::/64"] };
    const ways = async (address: string): Promise<string[]> => {
      const get = async (...more: string[]): Promise<string> => {
        const { stdout, stderr } = await lab.namespaces.run("client", [
          "ip",
          "route",
          "get",
          address,
          ...more,
        ]);
        return (
          /dev (\S+)/.exec(stdout)?.[1] ?? (stderr.includes("No route to host") ? "nowhere" : stdout + stderr)
        );
      };
      // By anybody, by a user that is named, by a packet that the firewall marked for each of the ways.
      return Promise.all([get(), get("uid", "1234"), get("mark", "0x61746c64"), get("mark", "0x61746c65")]);
    };
    const [beside, through] = ["eth0", "atlantic-tun0"];
    await lab.open({ names, split: { mode: "all-but", ...chosen } });
    await lab.order({ use: lab.through("socks5"), routes: "up" });
    expect(await ways("198.51.100.9")).toEqual([through, beside, beside, through]);
    expect(await ways(origin.v4)).toEqual([beside, beside, beside, beside]);
    expect(await ways(origin.v6)).toEqual([beside, beside, beside, beside]);
    expect(await ways("198.18.5.5")).toEqual([through, through, through, through]);
    await lab.tunnel?.stop("SIGKILL");

    await lab.open({ names, split: { mode: "only", ...chosen } });
    await lab.order({ use: lab.through("socks5"), routes: "up" });
    expect(await ways("198.51.100.9")).toEqual([beside, through, beside, through]);
    expect(await ways(origin.v4)).toEqual([through, through, through, through]);
    await lab.tunnel?.stop("SIGKILL");
    // What was chosen has no way now, and does not take another one.
    expect(await ways(origin.v4)).toEqual(["nowhere", "nowhere", "nowhere", "nowhere"]);
    expect(await ways("198.51.100.9")).toEqual([beside, "nowhere", beside, "nowhere"]);
  },
);

async function untilCounter(name: string, value: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const { counters } = (await lab.order({ counters: true })) as { counters: Record<string, number> };
    if (counters[name] === value) return;
    await delay(50);
  }
  throw new Error(`${name} was never ${value}.`);
}
