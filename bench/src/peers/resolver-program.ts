import { NameFilter } from "@atlantic/companion/src/dns/filter/name-filter.ts";
import { startResolver } from "@atlantic/companion/src/dns/resolver.ts";
import { openDohSite } from "@atlantic/companion/src/dns/testing/doh-site.ts";
import { anyAddress } from "./any-address.ts";

/**
 * Our resolver with one list and a server behind it that knows every name.
 * `node resolver-program.ts PORT [LIST]`
 */
const [port, list] = process.argv.slice(2);
const filter = new NameFilter();
if (list !== undefined) {
  await filter.load([{ by: "list", id: "bench", title: "bench", rank: null, rules: { file: list } }]);
}
const site = await openDohSite("doh.bench.example", { answer: anyAddress });
await startResolver({
  listen: [{ host: "127.0.0.1", port: Number(port) }],
  dial: site.dial,
  servers: [site.server],
  authorities: [site.authority],
  fakeAddresses: false,
  filter,
});
