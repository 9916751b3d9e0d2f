/** The extension's id in Chrome: the first 32 hex digits of its key's SHA-256, in the letters a to p, as Chrome does. */
export const EXTENSION_ID = "mbfnjhnjjigoigjdeejnogambjmlppib";

/** The extension's id in Firefox. */
export const FIREFOX_EXTENSION_ID = "atlantic-proxy@atlantic-proxy.org";
