import { type ExplanationView, explanationSchema } from "@atlantic/shared/exits/explanation-shape.ts";
import type { Explanation } from "../services/explain.ts";

export const explanationShape = explanationSchema;

export function presentExplanation({ price, limits, ...rest }: Explanation): ExplanationView {
  const text = (bytes: bigint | null) => (bytes === null ? null : String(bytes));
  return explanationSchema.parse({
    ...rest,
    price: price && { ...price, includedBytes: String(price.includedBytes) },
    limits: limits && {
      ...limits,
      remainingBytes: text(limits.remainingBytes),
      bandwidth: text(limits.bandwidth),
    },
  });
}
