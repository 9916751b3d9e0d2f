import { z } from "zod";
import { continentSchema, countryCodeSchema, exitSelectorSchema } from "../selector.ts";

const word = exitSelectorSchema.shape.pool.unwrap();

/** A place that an upstream offers, as the list of exits shows it. */
export const offeredPlaceSchema = z.strictObject({
  country: countryCodeSchema,
  continent: continentSchema.optional(),
  region: exitSelectorSchema.shape.region,
  city: exitSelectorSchema.shape.city,
  label: z.string().min(1).max(100),
  network: z.enum(["residential", "datacenter", "mobile"]).default("residential"),
  servers: z.int().min(0).default(1),
});
export type OfferedPlace = z.infer<typeof offeredPlaceSchema>;

/** A provider's own word in a login: an account, a zone. No separator of any provider may be in it. */
export const loginWord = z.string().regex(/^[A-Za-z0-9_.@+]{1,100}$/, "letters, digits and _ . @ + only");

export const secretText = z.string().min(1).max(200);

export const portNumber = z.int().min(1).max(65_535);

/** What every entry of a provider in `upstreams.json` may say. */
export const commonEntryShape = {
  /** The pool's name: `pool-<name>` asks for this upstream. Default: the kind. */
  name: word,
  protocol: z.enum(["http", "https", "socks5"]).default("http"),
  /** Instead of the provider's own. */
  host: z.string().min(1).max(253).optional(),
  port: portNumber.optional(),
  /** Authorities for the upstream's certificate besides the system's, as PEM. */
  ca: z.string().optional(),
  /**
   * Who resolves targets' names. here: the upstream is given the address that was checked, and a name cannot mean
   * another one by the time it is dialled. upstream: it is given the name, as its own name servers near the exit know it.
   */
  resolve: z.enum(["here", "upstream"]).default("upstream"),
  /** When it is left alone after failures, and for how long; see docs/failover.md. */
  breaker: z
    .strictObject({
      failures: z.int().min(1).max(1_000),
      share: z.number().gt(0).lt(1),
      windowSeconds: z.int().min(5).max(600),
      restSeconds: z.number().min(0.1).max(600),
      longestRestSeconds: z.number().min(1).max(3_600),
    })
    .partial()
    .optional(),
  /** What `isp-<tier>` finds it by. */
  tier: exitSelectorSchema.shape.ispTier,
  /** What the list of exits shows; any place may be asked for when there are none. */
  places: z.array(offeredPlaceSchema).optional(),
} as const;

export const commonEntrySchema = z.object(commonEntryShape);
export type CommonEntry = z.infer<typeof commonEntrySchema>;
