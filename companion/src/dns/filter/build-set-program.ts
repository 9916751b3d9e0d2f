import { writeFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import type { BuildOrder, BuildReport } from "./build-aside.ts";
import { buildSet } from "./build-set.ts";

const { sources, key, tablePath } = JSON.parse(await text(process.stdin)) as BuildOrder;
const { parts, contents } = await buildSet(sources, key);
const { table, conditions, anywhere } = parts;
writeFileSync(tablePath, new Uint8Array(table.buffer, table.byteOffset, table.byteLength), { mode: 0o600 });
const report: BuildReport = { conditions, anywhere, contents };
process.stdout.write(JSON.stringify(report));
