import type { Ability, Subject } from "../subject.ts";
import { openWire } from "../wire/wire.ts";

/**
 * A proxy that somebody else has started; what it can do is found out by asking.
 * @param url as `http://user:password@host:port`
 * @throws Error with a sentence when the URL cannot be read or nobody is there
 */
export async function givenSubject(url: string): Promise<Subject> {
  const { hostname, port, username, password } = new URL(url);
  if (port === "")
    throw new Error("--proxy wants a URL with a port, as http://user:password@127.0.0.1:7777.");
  const host = hostname.replace(/^\[|\]$/g, "");
  const credential =
    username === ""
      ? null
      : { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  const abilities = new Set<Ability>(["http", "connect", "ipv6"]);
  if (credential) abilities.add("credentials");
  if (await speaksSocks5(host, Number(port))) abilities.add("socks5");
  return {
    name: `${host}:${port}`,
    host,
    port: Number(port),
    credential,
    abilities,
    about: "a proxy that was running already",
    close: async () => {},
  };
}

async function speaksSocks5(host: string, port: number): Promise<boolean> {
  const wire = await openWire(host, port);
  try {
    wire.send(Buffer.from([5, 2, 0, 2]));
    return (await wire.take(2, 2_000))[0] === 5;
  } catch {
    return false;
  } finally {
    wire.socket.destroy();
  }
}
