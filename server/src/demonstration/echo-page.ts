import type { SeenVisitor } from "./echo-site.ts";

/** The page of the echo site: one card that says what the site saw, in the product's look. */
export function echoPage({ address, exit }: SeenVisitor): string {
  const place = exit?.label ?? "No exit";
  const code = exit?.country.toUpperCase() ?? "—";
  const sentence = exit
    ? "This site saw you arrive from that address. It is an exit of this machine: a place in name only."
    : "This site saw you arrive directly, through no exit. Send this tab through one and load the page again.";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${code} · ${address} · Atlantic echo</title>
<style>${STYLE}</style>
</head>
<body>
<main>
  <p class="eyebrow"><span class="mark" aria-hidden="true"></span>Atlantic Proxy · echo site</p>
  <div class="row">
    <span class="code ${exit ? "exit" : "direct"}">${code}</span>
    <h1>${place}</h1>
  </div>
  <p class="label" id="label">The address that this site saw</p>
  <p class="address" aria-labelledby="label" data-testid="address">${address}</p>
  <p class="sentence">${sentence}</p>
  <p class="note"><strong>Demonstration.</strong> These exits are this machine, told apart by their loopback addresses. With an account at a provider they become real ones.</p>
</main>
</body>
</html>
`;
}

const STYLE = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#f5f7f9, #0b1418); --surface: light-dark(#ffffff, #111d23);
  --line: light-dark(#dfe6ea, #22343d); --ink: light-dark(#0d1b21, #e8f0f3);
  --ink-2: light-dark(#4b6069, #9db2bb); --accent: light-dark(#0b6e7f, #4cc3d4);
  --accent-soft: light-dark(#e3f2f4, #11333a); --warn: light-dark(#9a5b00, #e8b04a);
  --mono: "JetBrains Mono", ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font: 400 15px/1.5 "Inter Variable", Inter, system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  color: var(--ink); background: var(--ground);
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px; }
main { width: min(100%, 440px); background: var(--surface); border: 1px solid var(--line); border-radius: 14px; padding: 28px; }
p { margin: 0; }
.eyebrow { display: flex; align-items: center; gap: 8px; color: var(--ink-2); font-size: 13px; }
.mark { width: 10px; height: 10px; border-radius: 3px; background: var(--accent); }
.row { display: flex; align-items: center; gap: 12px; margin: 20px 0; }
h1 { margin: 0; font-size: 24px; line-height: 1.2; font-weight: 650; letter-spacing: -0.01em; }
.code { display: grid; place-items: center; min-width: 42px; height: 30px; padding: 0 8px; border-radius: 7px; font: 600 15px/1 var(--mono); }
.code.exit { background: var(--accent-soft); color: var(--accent); }
.code.direct { border: 1px solid var(--line); color: var(--ink-2); }
.label { color: var(--ink-2); font-size: 13px; }
.address { font: 500 28px/1.3 var(--mono); overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.sentence { margin-top: 12px; color: var(--ink-2); }
.note { margin-top: 20px; padding-top: 16px; border-top: 1px solid var(--line); font-size: 13px; color: var(--ink-2); }
.note strong { color: var(--warn); font-weight: 600; }
`;
