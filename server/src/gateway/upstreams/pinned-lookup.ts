import { isIP, type LookupFunction } from "node:net";

/** Answers every name with these addresses: what was checked is what is dialled, whatever the name says next. */
export function pinnedLookup(addresses: readonly string[]): LookupFunction {
  return (_host, options, answer) => {
    const all = addresses.map((address) => ({ address, family: isIP(address) }));
    const [first] = all;
    if (options.all) answer(null, all);
    else if (first) answer(null, first.address, first.family);
    else answer(new Error("no address"), "");
  };
}
