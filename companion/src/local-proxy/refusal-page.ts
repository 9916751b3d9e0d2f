import type { ServerResponse } from "node:http";

/** A page for a person whose plain request was not let out: what happened and what to do. */
export function refuse(response: ServerResponse, status: number, title: string, sentence: string): void {
  if (response.headersSent) return void response.destroy();
  const body = page(title, sentence);
  response.writeHead(status, {
    "content-type": "text/html; charset=utf-8",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    connection: "close",
  });
  response.end(body);
}

function page(title: string, sentence: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escaped(title)}</title>
<style>:root{color-scheme:light dark;font:16px/1.5 system-ui}body{max-width:34rem;margin:20vh auto;padding:0 1rem}</style>
<h1>${escaped(title)}</h1><p>${escaped(sentence)}</p></html>
`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
