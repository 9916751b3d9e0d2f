import type { Browser } from "wxt/browser";

/** Hosts of the probe; `.invalid` never resolves (RFC 6761) and the request is never let past the companion. */
export const IMAGE_PROBE_SUFFIX = ".images.atlantic.invalid";

/**
 * Finds out whether Chrome lets an extension answer a challenge for an image of another site, which the policy
 * AllowCrossOriginAuthPrompt decides and no extension can read. The gate page asks for an image that needs a tunnel:
 * when the extension is asked for the credential, the policy is on; when the image fails unasked, it is off.
 */
export class ImagePolicy {
  #isOn: boolean;
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#isOn = false;
    this.#changed = changed;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  load(isOn: boolean): void {
    this.#isOn = isOn;
  }

  /** A challenge came to the extension. @returns whether it was for the probe, which gets no tunnel */
  challenged(details: Browser.webRequest.OnAuthRequiredDetails): boolean {
    if (!isProbe(details.url)) return false;
    this.#found(true);
    return true;
  }

  /** A request failed; a probe that was asked for has been found before. */
  failed(details: { url: string; error: string }, wasAsked: boolean): void {
    if (isProbe(details.url) && !wasAsked) this.#found(false);
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
