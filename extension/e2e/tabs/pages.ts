/** What the sites serve. Every URL carries the letter of the tab that asks (`t`) and the round (`n`). */

export interface PageQuery {
  readonly letter: string;
  readonly round: string;
  /** How many of each kind of request. */
  readonly count: number;
  readonly sockets: boolean;
}

const head = (title: string) =>
  `<!doctype html><meta charset="utf-8"><title>${title}</title><link rel="icon" href="data:,">`;

/** Counts what the page could not load, and keeps a promise for all that its scripts asked for. */
const ledger = `<script>
window.asked = []; window.failed = [];
addEventListener("error", (event) => { const url = event.target.src ?? event.target.href; if (url) failed.push(url); }, true);
const ask = (url, options) => asked.push(fetch(url, options).then((answer) => answer.text()).catch(() => { failed.push(String(url)); }));
const socketTo = (url) => asked.push(new Promise((done) => {
  const socket = new WebSocket(url);
  socket.onmessage = () => { done(); socket.close(); };
  socket.onerror = () => { failed.push(url); done(); };
}));
window.finished = () => Promise.all(asked).then(() => failed);
</script>`;

/** A page that asks its own site and three others for everything that pages ask for. */
export function busyPage(host: string, scheme: "http" | "https", query: PageQuery): string {
  const prefix = host.startsWith("h1") ? "h1" : "";
  const third = (name: string) => `${scheme}://${prefix}${name}.test`;
  const tail = (index: number) => `?t=${query.letter}&n=${query.round}&i=${index}`;
  const parts = Array.from({ length: query.count }, (_, index) =>
    [
      `<script>ask("/data${tail(index)}"); ask("${third("cdn")}/data${tail(index)}");</script>`,
      `<img src="${third("cdn")}/picture.svg${tail(index)}">`,
      `<img src="${third("cdn2")}/picture.svg${tail(index)}">`,
      `<script src="${third("cdn")}/script.js${tail(index)}"></script>`,
    ].join("\n"),
  );
  const sockets = query.sockets
    ? `<script>socketTo("${scheme === "https" ? "wss" : "ws"}://${host}/socket${tail(0)}");</script>`
    : "";
  const frame = `<iframe src="${third("frame")}/frame${tail(0)}"></iframe>`;
  return `${head(query.letter)}${ledger}${parts.join("\n")}${frame}${sockets}`;
}

export function framePage(host: string, scheme: "http" | "https", query: PageQuery): string {
  const prefix = host.startsWith("h1") ? "h1" : "";
  const tail = `?t=${query.letter}&n=${query.round}`;
  return `${head("frame")}${ledger}<img src="${scheme}://${prefix}cdn.test/inner.svg${tail}"><img src="/inner.svg${tail}">`;
}

/** Ways to another page: a link, a form of each method, and pages that open tabs. */
export function doorPage(query: PageQuery, to: string): string {
  const hidden = `<input type="hidden" name="t" value="${query.letter}"><input type="hidden" name="n" value="${query.round}">`;
  const url = `${to}?t=${query.letter}&n=${query.round}&k=1`;
  return `${head("door")}${ledger}
<a id="link" href="${url}">link</a>
<a id="blank" target="_blank" href="${url}">new tab</a>
<a id="opener" target="_blank" rel="opener" href="${url}">new tab with its opener</a>
<button id="open" onclick="window.opened = window.open('${url}')">open</button>
<form id="get" action="${to}" method="get">${hidden}<input type="hidden" name="k" value="1"><button id="get-button">get</button></form>
<form id="post" action="${to}?t=${query.letter}&n=${query.round}&k=1" method="post">
<input id="words" name="words" value=""><button id="post-button">post</button></form>`;
}

/**
 * Registers a service worker, and then starts a shared worker; both ask the site. Once a worker has asked, each request
 * has a tunnel of its own, and Chrome asks nobody for the tunnel of a service worker's script.
 */
export function workersPage(query: PageQuery): string {
  const tail = `?t=${query.letter}&n=${query.round}`;
  return `${head("workers")}${ledger}<script>
// A worker's script that needs a new tunnel itself fails once (docs/routing.md): a request of the page opens it.
const register = () => navigator.serviceWorker.register("/service-worker.js${tail}");
window.service = register().catch(() => fetch("/data${tail}").then(register)).then(() => navigator.serviceWorker.ready).then(() => "ready", (error) => String(error));
window.shared = service.then(() => new Promise((done) => {
  const worker = new SharedWorker("/shared-worker.js${tail}");
  worker.port.onmessage = ({ data }) => done(data);
  worker.onerror = () => done("failed to start");
}));
</script>`;
}

export function serviceWorkerScript({ letter, round }: PageQuery): string {
  return `addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (url.pathname === "/page") event.respondWith(fetch(event.request));
  if (url.pathname !== "/through-worker") return;
  event.respondWith(fetch("/worker-data?t=${letter}&n=${round}&by=service"));
});`;
}

export function sharedWorkerScript({ letter, round }: PageQuery): string {
  return `addEventListener("connect", ({ ports: [port] }) => {
  fetch("/worker-data?t=${letter}&n=${round}&by=shared").then((answer) => answer.text()).then((text) => port.postMessage(text), () => port.postMessage("failed"));
});`;
}
