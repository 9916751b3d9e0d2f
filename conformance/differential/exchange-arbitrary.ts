import fc from "fast-check";

/** A request, and what its target answers; `@` stands for the target's authority. */
export interface GeneratedExchange {
  /** Written out, but without the credentials, which go where `\0` stands. */
  readonly request: string;
  readonly method: string;
  readonly version: "1.0" | "1.1";
  readonly url: string;
  readonly fields: readonly string[];
  readonly answer: string;
  /** Whether the target ends its half behind the answer. */
  readonly answerEnds: boolean;
}

const methods = fc.constantFrom(
  "GET",
  "GET",
  "GET",
  "HEAD",
  "POST",
  "POST",
  "PUT",
  "DELETE",
  "OPTIONS",
  "PATCH",
  "PROPFIND",
);

const segment = fc.constantFrom(
  "a",
  "b%20c",
  "%7Ed",
  "e;f=1",
  "..",
  ".",
  "",
  "g+h",
  "i,j",
  "%C3%A4",
  "k:l",
  "(m)",
  "~n",
  "%2F",
);
const path = fc
  .array(segment, { maxLength: 4 })
  .map((parts) => (parts.length === 0 ? "" : `/${parts.join("/")}`));
const query = fc.constantFrom("", "", "?", "?a=b", "?a=b&c=%26", "?/?", "?x=http://y/");
const scheme = fc.constantFrom("http", "http", "http", "HTTP", "Http");
const odd = fc.constantFrom("", "", "", "", "", "", "", "", "#part", "user@");

const url = fc.tuple(scheme, path, query, odd).map(([name, where, what, more]) => {
  const fragment = more.startsWith("#") ? more : "";
  const user = more.endsWith("@") ? "user@@" : "@";
  return `${name}://${user}${where}${what}${fragment}`;
});

/** Fields that a request may have anywhere. */
const field = fc.constantFrom(
  "Accept: text/html, */*;q=0.5",
  "Accept-Language: de",
  "Accept-Encoding: gzip",
  "Authorization: Basic QTpC",
  "Cookie: a=b; c=d",
  "Cookie: e=f",
  "User-Agent: probe/1.0 (x; y)",
  "X-Empty:",
  "X-Spaces: \t  a  b \t ",
  "X-List: 1",
  "X-List: 2, 3",
  "X-Latin: \xe4\xf6",
  'X-Quoted: "a, b\\"c"',
  "x-lower: y",
  "X_Under: z",
  'If-None-Match: "x"',
  "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
  "Range: bytes=0-3",
  "Referer: http://r.example/",
  "Origin: http://o.example",
  "Cache-Control: no-cache",
  "Pragma: no-cache",
  "Content-Type: text/plain",
  "DNT: 1",
  "Priority: u=1",
  "Forwarded: for=1.2.3.4",
  "Sec-Fetch-Mode: navigate",
);

/** Fields that are for one hop. */
const hopField = fc.constantFrom(
  "Connection: keep-alive",
  "Connection: close",
  "Connection: X-List",
  "Connection: x-hop, X-List",
  "Connection: te",
  "X-Hop: 1",
  "Keep-Alive: timeout=5",
  "Proxy-Connection: keep-alive",
  "TE: trailers",
  "TE: gzip",
  "Upgrade: h2c",
  "Max-Forwards: 5",
  "Trailer: X-T",
);

/** Lines that should not be there. */
const badField = fc.constantFrom(
  "X-Bad : 1",
  "X-Folded: 1\r\n 2",
  "No colon",
  ": no name",
  "X[bad]: 1",
  "Content-Length: 1\r\nContent-Length: 2",
  "Content-Length: +1",
  "Content-Length: 3\r\nTransfer-Encoding: chunked",
  "Transfer-Encoding: xchunked",
  "Transfer-Encoding: chunked, gzip",
  "Host: second.example",
  "X-Nul: a\0b",
);

interface Body {
  readonly fields: readonly string[];
  readonly bytes: string;
}

const payload = fc.constantFrom("", "x", "hello", "a\r\nb\r\n\r\n", "0\r\n\r\n", "\0\xff", "y".repeat(5_000));

const bodyByLength: fc.Arbitrary<Body> = payload.map((bytes) => ({
  fields: [`Content-Length: ${bytes.length}`],
  bytes,
}));

const bodyInChunks: fc.Arbitrary<Body> = fc
  .tuple(
    payload,
    fc.integer({ min: 1, max: 7 }),
    fc.constantFrom("", ";a", ';b="c;d"'),
    fc.constantFrom("", "X-T: 1\r\n"),
  )
  .map(([bytes, size, extension, trailer]) => {
    const step = Math.max(size, Math.ceil(bytes.length / 20));
    let chunks = "";
    for (let at = 0; at < bytes.length; at += step) {
      const piece = bytes.slice(at, at + step);
      chunks += `${piece.length.toString(16)}${extension}\r\n${piece}\r\n`;
    }
    return { fields: ["Transfer-Encoding: chunked"], bytes: `${chunks}0\r\n${trailer}\r\n` };
  });

const noBody: Body = { fields: [], bytes: "" };

const answer = fc
  .tuple(
    fc.constantFrom(
      "200 OK",
      "200 OK",
      "201 Created",
      "204 No Content",
      "206 Partial Content",
      "301 Moved",
      "304 Not Modified",
      "404 Not Found",
      "418 Teapot",
      "500 Oops",
      "503 Later",
    ),
    fc.array(
      fc.constantFrom(
        "Content-Type: text/html",
        "Set-Cookie: a=1",
        "Set-Cookie: b=2",
        "X-List: 1",
        "X-List: 2",
        'ETag: "x"',
        "Cache-Control: no-store",
        "Connection: X-List",
        "Keep-Alive: max=3",
        "Vary: Accept",
        "X-Latin: \xe4",
        "Location: /elsewhere",
        "Proxy-Connection: x",
        "Date: Mon, 23 Nov 2026 12:00:00 GMT",
        "Warning: 199 - x",
      ),
      { maxLength: 5 },
    ),
    fc.oneof(
      bodyByLength,
      bodyInChunks,
      payload.map((bytes) => ({ fields: null, bytes })),
    ),
    fc.constantFrom("", "", "", "", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
  )
  .map(([status, fields, body, interim]) => ({ status, fields, body, interim }));

function written(
  method: string,
  version: "1.0" | "1.1",
  address: string,
  fields: readonly string[],
  body: Body,
): string {
  const lines = [`${method} ${address} HTTP/${version}`, "Host: @", ...fields, ...body.fields];
  return `${lines.join("\r\n")}\r\n\0\r\n${body.bytes}`;
}

/** Exchanges of every kind; one in eight has something in it that no request may have. */
export const exchangeArbitrary: fc.Arbitrary<GeneratedExchange> = fc
  .record({
    method: methods,
    version: fc.constantFrom<"1.0" | "1.1">("1.1", "1.1", "1.1", "1.1", "1.0"),
    url,
    fields: fc.array(field, { maxLength: 6 }),
    hop: fc.array(hopField, { maxLength: 3 }),
    bad: fc.oneof({ weight: 7, arbitrary: fc.constant("") }, { weight: 1, arbitrary: badField }),
    body: fc.oneof(fc.constant(noBody), bodyByLength, bodyInChunks),
    answer,
  })
  .map(({ method, version, url: address, fields, hop, bad, body, answer: given }) => {
    const withBody = method === "GET" || method === "HEAD" || version === "1.0" ? noBody : body;
    const all = [...fields, ...hop, ...(bad === "" ? [] : [bad])];
    const code = given.status.slice(0, 3);
    const bodiless = method === "HEAD" || code === "204" || code === "304";
    const untilClose = given.body.fields === null;
    const framing = given.body.fields ?? [];
    const head = `HTTP/1.1 ${given.status}\r\n${[...given.fields, ...(code === "204" || code === "304" ? [] : framing)].map((line) => `${line}\r\n`).join("")}\r\n`;
    return {
      request: written(method, version, address, all, withBody),
      method,
      version,
      url: address,
      fields: all,
      answer: given.interim + head + (bodiless ? "" : given.body.bytes),
      answerEnds: untilClose,
    };
  });
