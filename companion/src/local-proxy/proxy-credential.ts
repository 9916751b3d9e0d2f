import { type Attribution, parseAttribution } from "@atlantic/shared/control/attribution.ts";
import { splitProof } from "@atlantic/shared/control/proof.ts";

/** What a browser answers a challenge with. */
export interface ProxyCredential {
  readonly attribution: Attribution;
  readonly proxySecret: string;
  /** Of a challenge that holds once; absent in the answer to a steady one. */
  readonly nonce: string | undefined;
}

/** Reads the value of Proxy-Authorization (Basic, RFC 7617); `undefined` for anything that is not ours. */
export function parseProxyCredential(header: string | undefined): ProxyCredential | undefined {
  const encoded = /^Basic ([A-Za-z0-9+/=]{1,2000})$/i.exec(header ?? "")?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 0) return undefined;
  return readCredential(text.slice(0, colon), text.slice(colon + 1));
}

export function readCredential(username: string, password: string): ProxyCredential | undefined {
  const attribution = parseAttribution(username);
  const { secret, nonce } = splitProof(password);
  return attribution && secret !== "" ? { attribution, proxySecret: secret, nonce } : undefined;
}
