import { loadPage } from "./load-page.ts";
import type { Place } from "./origins.ts";
import type { Stage } from "./stage.ts";
import { Scorer } from "./tally.ts";

export interface BusyLoad {
  readonly host: string;
  readonly place: Place;
}

export interface BusyOptions {
  readonly scheme: "http" | "https";
  readonly rounds: number;
  /** How many of each kind of request a page makes. */
  readonly count: number;
  readonly cutTunnels: boolean;
}

/** Tabs that load busy pages at the same time, round after round. */
export async function busyLoads(
  stage: Stage,
  loads: readonly BusyLoad[],
  options: BusyOptions,
): Promise<Scorer> {
  const scorer = new Scorer(stage.origins.seen);
  const tabs = await Promise.all(
    loads.map(async (load, index) => {
      const letter = `${options.scheme}-${load.host}-${index}`;
      scorer.expect(letter, load.place);
      return { ...load, letter, page: (await stage.newTabTo(load.place)).page };
    }),
  );
  for (let round = 0; round < options.rounds; round += 1) {
    await Promise.all(
      tabs.map(({ page, host, letter }) => {
        const query = `t=${letter}&n=${round}&k=${options.count}&ws=1`;
        return loadPage(page, `${options.scheme}://${host}/page?${query}`, scorer);
      }),
    );
    if (options.cutTunnels) stage.origins.cut();
  }
  await Promise.all(tabs.map(({ page }) => page.close()));
  return scorer;
}
