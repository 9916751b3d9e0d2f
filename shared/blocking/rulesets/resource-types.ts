/** The kinds of requests that a rule of declarativeNetRequest without any of its own is for: all but pages themselves. */
export const PARTS_OF_PAGES = [
  "sub_frame",
  "stylesheet",
  "script",
  "image",
  "font",
  "object",
  "xmlhttprequest",
  "ping",
  "csp_report",
  "media",
  "websocket",
  "webtransport",
  "webbundle",
  "other",
] as const;
export const EVERY_TYPE = ["main_frame", ...PARTS_OF_PAGES] as const;
