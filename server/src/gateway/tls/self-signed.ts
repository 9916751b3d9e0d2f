import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIP, SocketAddress } from "node:net";

/**
 * A certificate that signs itself (RFC 5280), for trying TLS without an authority: P-256, for servers only. The few
 * structures it takes are written out here, because every library that makes certificates brings a dozen others along.
 *
 * @param names host names and addresses that it is valid for
 * @returns certificate and private key in PEM
 */
export function selfSignedCertificate(
  names: readonly string[],
  { from, days }: { from: Date; days: number },
): { certificate: string; key: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const until = new Date(from.getTime() + days * 86_400_000);
  const name = distinguishedName("Atlantic Proxy");
  const body = sequence(
    tagged(0, integer(Buffer.from([2]))),
    integer(serialNumber()),
    ECDSA_SHA256,
    name,
    sequence(time(from), time(until)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    tagged(3, sequence(...extensions(names, publicKey))),
  );
  const signature = sign("sha256", body, privateKey);
  const certificate = sequence(body, ECDSA_SHA256, bitString(signature));
  return {
    certificate: pem("CERTIFICATE", certificate),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function extensions(names: readonly string[], publicKey: KeyObject): Buffer[] {
  const keyId = createHash("sha1")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest();
  return [
    extension("2.5.29.17", false, sequence(...names.map(generalName))),
    // No authority: it may vouch for nothing but itself.
    extension("2.5.29.19", true, sequence()),
    extension("2.5.29.15", true, der(0x03, Buffer.from([7, 0x80]))),
    extension("2.5.29.37", false, sequence(objectId("1.3.6.1.5.5.7.3.1"))),
    extension("2.5.29.14", false, octetString(keyId)),
  ];
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return sequence(objectId(id), ...(critical ? [der(0x01, Buffer.from([0xff]))] : []), octetString(value));
}

function generalName(name: string): Buffer {
  return isIP(name) === 0 ? der(0x82, Buffer.from(name, "latin1")) : der(0x87, addressBytes(name));
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split(".").map(Number));
  const { address: canonical } = new SocketAddress({ address, family: "ipv6" });
  const [front = "", back = ""] = canonical.split("::");
  const groups = (text: string) => text.split(":").filter(Boolean);
  const missing = 8 - groups(front).length - groups(back).length;
  const all = [...groups(front), ...new Array<string>(missing).fill("0"), ...groups(back)];
  return Buffer.from(all.map((group) => group.padStart(4, "0")).join(""), "hex");
}

function distinguishedName(commonName: string): Buffer {
  const attribute = sequence(objectId("2.5.4.3"), der(0x0c, Buffer.from(commonName)));
  return sequence(der(0x31, attribute));
}

/** RFC 5280 §4.1.2.2: positive, at most 20 octets, and hard to guess. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}

/** GeneralizedTime is only for years from 2050 on (RFC 5280 §4.1.2.5). */
function time(moment: Date): Buffer {
  const text = `${moment.toISOString().replace(/[-:T]/g, "").slice(0, 14)}Z`;
  return moment.getUTCFullYear() < 2050
    ? der(0x17, Buffer.from(text.slice(2)))
    : der(0x18, Buffer.from(text));
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, ...parts);
}

function tagged(number: number, content: Buffer): Buffer {
  return der(0xa0 | number, content);
}

function integer(bytes: Buffer): Buffer {
  return der(0x02, bytes);
}

function octetString(content: Buffer): Buffer {
  return der(0x04, content);
}

function bitString(content: Buffer): Buffer {
  return der(0x03, Buffer.from([0]), content);
}

function objectId(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  return der(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(value: number): number[] {
  const digits = [value & 0x7f];
  for (let left = value >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
  return digits;
}

const ECDSA_SHA256 = sequence(objectId("1.2.840.10045.4.3.2"));

function pem(label: string, content: Buffer): string {
  const lines = content.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
