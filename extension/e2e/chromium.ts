/** Debian's Chromium, or another by environment. */
export const chromiumExecutable = process.env.ATLANTIC_CHROMIUM ?? "/usr/bin/chromium";

/** How tests start Chromium: headless, as root, quiet towards its maker, with one unpacked extension. */
export function chromiumArguments(extension: string): string[] {
  return [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    `--disable-extensions-except=${extension}`,
    `--load-extension=${extension}`,
  ];
}
