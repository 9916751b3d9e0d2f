import { expectHidden, expectSame, type Program, type ProgramPlace, sites } from "./program.ts";

const { shop } = sites;
const HTTP2_BYTES = 1_000_000;

/** What curl prints after a body, on a line of its own. */
const REPORT = "\\n%{http_code} %{http_version} %{size_download} %{num_connects}\\n";

function curl({ onMachine, authority }: ProgramPlace, ...argv: readonly string[]): Promise<string> {
  return onMachine(["curl", "-sS", "--max-time", "50", "--cacert", authority, "-w", REPORT, ...argv]);
}

export const curlHttp1: Program = {
  name: "curl, HTTP/1.1 over IPv4 and IPv6, plain and TLS",
  targets: [`${shop.name}:80`, `${shop.name}:443`],
  async use(place) {
    for (const family of ["-4", "-6"])
      for (const scheme of ["http", "https"]) {
        const printed = await curl(place, family, "--http1.1", `${scheme}://${shop.name}/address`);
        const [body = "", report] = printed.split("\n");
        expectHidden(body, shop.name);
        expectSame("curl's report", report, `200 1.1 ${body.length} 1`);
      }
    return "4 of 4 answered; the site saw another address";
  },
};

export const curlHttp2: Program = {
  name: "curl, HTTP/2",
  targets: [`${shop.name}:443`],
  async use(place) {
    const url = `https://${shop.name}/bytes/${HTTP2_BYTES}`;
    const streams = [1, 2, 3, 4].flatMap((each) => ["-o", "/dev/null", `${url}?${each}`]);
    const printed = await curl(place, "--http2", "--parallel", "--silent", ...streams);
    const reports = printed.split("\n").filter((line) => line !== "");
    const whole = `200 2 ${HTTP2_BYTES} `;
    const connects = reports.map((line) =>
      line.startsWith(whole) ? Number(line.slice(whole.length)) : Number.NaN,
    );
    // All by the one connection, which the first of them opened.
    expectSame("Connections of each stream", connects.sort().join(), "0,0,0,1");
    return `4 streams of ${HTTP2_BYTES} bytes by one connection`;
  },
};
