import { z } from "zod";
import { EVERY_TYPE } from "./resource-types.ts";

const resourceTypeSchema = z.enum(EVERY_TYPE);
export type ResourceType = z.infer<typeof resourceTypeSchema>;

const names = z.array(z.string());
const types = z.array(resourceTypeSchema);

const conditionSchema = z.strictObject({
  urlFilter: z.string().optional(),
  regexFilter: z.string().optional(),
  isUrlFilterCaseSensitive: z.boolean().optional(),
  initiatorDomains: names.optional(),
  excludedInitiatorDomains: names.optional(),
  requestDomains: names.optional(),
  excludedRequestDomains: names.optional(),
  domainType: z.enum(["firstParty", "thirdParty"]).optional(),
  resourceTypes: types.optional(),
  excludedResourceTypes: types.optional(),
  requestMethods: names.optional(),
});
export type DnrCondition = z.infer<typeof conditionSchema>;

/** What a rule that is used here may do: what leads elsewhere or changes headers is left to others. */
const ruleSchema = z.object({
  action: z.object({ type: z.enum(["block", "allow", "allowAllRequests"]) }),
  priority: z.int().min(1).default(1),
  condition: conditionSchema,
});
/** A rule of declarativeNetRequest without its number. */
export type DnrRule = z.infer<typeof ruleSchema>;

/** The rules of a ruleset that are understood here. @throws Error when it is none */
export function readRules(ruleset: unknown): DnrRule[] {
  return z
    .array(z.unknown())
    .parse(ruleset)
    .flatMap((rule) => ruleSchema.safeParse(rule).data ?? []);
}
