import type { Browser } from "wxt/browser";

/** Hosts of the probe; `.invalid` never resolves (RFC 6761) and the request is never let past the companion. */
const IMAGE_PROBE_SUFFIX = ".images.atlantic.invalid";

/** How a request ends whose challenge Chrome put to nobody. */
const UNANSWERED = "net::ERR_TUNNEL_CONNECTION_FAILED";

/**
 * Finds out whether Chrome lets an extension answer a challenge for an image of another site, which the policy
 * AllowCrossOriginAuthPrompt decides and no extension can read. The gate page asks for an image that needs a tunnel:
 * when the extension is asked for the credential, the policy is on; when the image fails unasked, it is off.
 */
export class ImagePolicy {
  #isOn: boolean | null = null;
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** What is known by now; without knowledge the policy counts as off. */
  get isOn(): boolean {
    return this.#isOn === true;
  }

  /** Null until it has been found out. */
  get found(): boolean | null {
    return this.#isOn;
  }

  load(found: boolean | null): void {
    this.#isOn = found;
  }

  /** The image to ask for, while the answer is not known. */
  probe(): string | null {
    if (this.#isOn !== null) return null;
    return `https://p${crypto.randomUUID()}${IMAGE_PROBE_SUFFIX}/picture.svg`;
  }

  /** A challenge came to the extension. @returns whether it was for the probe, which gets no tunnel */
  challenged(details: Browser.webRequest.OnAuthRequiredDetails): boolean {
    if (!isProbe(details.url)) return false;
    this.#found(true);
    return true;
  }

  /** A request failed. A probe that the extension was asked for has been found before. */
  failed({ url, error }: { url: string; error: string }): void {
    if (this.#isOn === null && isProbe(url) && error === UNANSWERED) this.#found(false);
  }

  #found(isOn: boolean): void {
    if (isOn === this.#isOn) return;
    this.#isOn = isOn;
    this.#changed();
  }
}

export function isProbe(url: string): boolean {
  return URL.canParse(url) && new URL(url).hostname.endsWith(IMAGE_PROBE_SUFFIX);
}
