import { z } from "zod";

/** An ISO 3166-1 alpha-2 country code in lower case. */
export const countryCodeSchema = z.string().regex(/^[a-z]{2}$/, "a country is two letters, as in us or de");

const placeName = z
  .string()
  .regex(
    /^[a-z0-9_]{1,64}$/,
    "a place is written in lower-case letters, digits and underscores, as in new_york",
  );

/** The continents as providers name them. */
export const continentSchema = z.enum(["af", "an", "as", "eu", "na", "oc", "sa"]);

const MAX_COUNTRIES = 20;

/** Which exit is wanted. Every field narrows the choice; an empty selector means any exit. */
export const exitSelectorSchema = z.strictObject({
  country: countryCodeSchema.optional(),
  /** Any of these; never together with `country`. `candidateExits` makes single choices of it. */
  countries: z.array(countryCodeSchema).min(2).max(MAX_COUNTRIES).readonly().optional(),
  continent: continentSchema.optional(),
  region: placeName.optional(),
  city: placeName.optional(),
  postalCode: z
    .string()
    .regex(/^[a-z0-9]{3,10}$/)
    .optional(),
  asn: z.int().min(1).max(4_294_967_295).optional(),
  ispTier: z
    .string()
    .regex(/^[a-z0-9_]{1,32}$/)
    .optional(),
  /** The operator's name for a set of upstreams, when one of several is wanted. */
  pool: z
    .string()
    .regex(/^[a-z0-9_]{1,32}$/)
    .optional(),
});
export type ExitSelector = z.infer<typeof exitSelectorSchema>;

/** A sticky session: the same exit address for as long as it lives. */
export const exitSessionSchema = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9_]{1,25}$/, "a session id is 1 to 25 letters, digits or underscores"),
  /** Minutes the session lives. */
  lifetimeMinutes: z.int().min(1).max(1440).default(10),
  /**
   * What happens when the exit's address is lost. flex: the session goes on with another one; strict: every connection
   * fails until the lifetime is over, then the id begins anew; oneip: the id never gets another address.
   */
  mode: z.enum(["flex", "strict", "oneip"]).default("flex"),
});
export type ExitSession = z.infer<typeof exitSessionSchema>;
