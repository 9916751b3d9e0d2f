import { z } from "zod";
import { brightdata } from "./brightdata.ts";
import { dataimpulse } from "./dataimpulse.ts";
import { decodo } from "./decodo.ts";
import { choosesPlace, generic, genericAccount } from "./generic.ts";
import { iproyal } from "./iproyal.ts";
import { netnut } from "./netnut.ts";
import { oxylabs } from "./oxylabs.ts";
import type { BoundProvider, ProviderAdapter } from "./provider-adapter.ts";
import { soax, soaxRules } from "./soax.ts";
import { commonEntryShape, portNumber } from "./upstream-entry.ts";
import { webshare } from "./webshare.ts";

/** Every provider that the gateway knows, by its `kind` in `upstreams.json`. */
export const providerAdapters = {
  oxylabs,
  brightdata,
  decodo,
  iproyal,
  soax,
  "soax-rules": soaxRules,
  webshare,
  dataimpulse,
  netnut,
  generic,
} as const satisfies Record<string, ProviderAdapter>;

export type ProviderKind = keyof typeof providerAdapters;

export const providerKinds = Object.keys(providerAdapters) as readonly ProviderKind[];

export function isProviderKind(kind: string): kind is ProviderKind {
  return Object.hasOwn(providerAdapters, kind);
}

function entrySchemaOf<Kind extends Exclude<ProviderKind, "generic">>(kind: Kind) {
  const { account } = providerAdapters[kind];
  return z.strictObject({
    kind: z.literal(kind),
    ...commonEntryShape,
    name: commonEntryShape.name.default(kind.replaceAll("-", "_")),
    ...account,
  });
}

const genericEntrySchema = z
  .strictObject({
    kind: z.literal("generic"),
    ...commonEntryShape,
    host: z.string().min(1).max(253),
    port: portNumber,
    protocol: commonEntryShape.protocol.unwrap(),
    ...genericAccount,
  })
  .refine(
    ({ places = [], template }) => places.length <= 1 || choosesPlace(template),
    "an upstream with several places needs a placeholder for the place in its login template",
  );

/** An entry of a provider in `upstreams.json`. */
export const providerEntrySchema = z.discriminatedUnion("kind", [
  entrySchemaOf("oxylabs"),
  entrySchemaOf("brightdata"),
  entrySchemaOf("decodo"),
  entrySchemaOf("iproyal"),
  entrySchemaOf("soax"),
  entrySchemaOf("soax-rules"),
  entrySchemaOf("webshare"),
  entrySchemaOf("dataimpulse"),
  entrySchemaOf("netnut"),
  genericEntrySchema,
]);
export type ParsedProviderEntry = z.infer<typeof providerEntrySchema>;

/** The account of an entry, ready to be asked. */
export function bindProvider(entry: ParsedProviderEntry): BoundProvider {
  return providerAdapters[entry.kind].bind(entry);
}
