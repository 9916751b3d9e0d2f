import type { ExitSelector } from "@atlantic/shared/exits/selector.ts";
import type { Kysely } from "kysely";
import type { Schema } from "../db/schema.ts";
import { authorise, type Caller } from "./caller.ts";

/** A place where traffic can leave, as the account's owner sees it. */
export interface ExitPlace {
  readonly id: string;
  readonly exit: ExitSelector;
  /** For people: "Berlin, Germany". */
  readonly label: string;
  readonly network: string;
  readonly demonstration: boolean;
  readonly latencyMs: number | null;
  readonly servers: number;
  /** The share of checks that succeeded, 0 to 1. */
  readonly uptime: number | null;
}

/** Lists the exits there are. */
export class ExitService {
  readonly #db: Kysely<Schema>;

  constructor(parts: { db: Kysely<Schema> }) {
    this.#db = parts.db;
  }

  async list(caller: Caller): Promise<ExitPlace[]> {
    authorise(caller, "exits.read");
    const rows = await this.#db.selectFrom("proxy_locations").selectAll().orderBy("label").execute();
    return rows.map((row) => ({
      id: row.id,
      exit: {
        country: row.country,
        ...(row.region === null ? {} : { region: row.region }),
        ...(row.city === null ? {} : { city: row.city }),
      },
      label: row.label,
      network: row.network,
      demonstration: row.network === "demonstration",
      latencyMs: row.latency,
      servers: row.servers,
      uptime: row.uptime,
    }));
  }
}

/** A location to be offered. */
export interface OfferedLocation {
  readonly id: string;
  readonly country: string;
  readonly region: string | null;
  readonly city: string | null;
  readonly label: string;
  readonly network: "residential" | "datacenter" | "mobile" | "demonstration";
  readonly servers: number;
}

/** Makes the stored locations those offered: new ones come, known ones keep what was measured, others go. */
export async function storeLocations(db: Kysely<Schema>, offered: readonly OfferedLocation[]): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    const ids = offered.map((location) => location.id);
    await transaction
      .deleteFrom("proxy_locations")
      .$if(ids.length > 0, (query) => query.where("id", "not in", ids))
      .execute();
    for (const { id, country, region, city, label, network, servers } of offered) {
      // An upstream knows more of its places than the list shows.
      const rest = { country, region, city, label, network, servers };
      await transaction
        .insertInto("proxy_locations")
        .values({ id, ...rest })
        .onConflict((on) => on.column("id").doUpdateSet({ ...rest, updated_at: new Date() }))
        .execute();
    }
  });
}
