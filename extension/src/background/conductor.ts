import { decide, type Rules, type TabRule } from "@atlantic/shared/routing/decide.ts";
import type { Naming } from "@atlantic/shared/routing/pac.ts";
import { BLOCK, type Route, type RouteId, routeId } from "@atlantic/shared/routing/route.ts";
import type { Engine, Wanted } from "../engine/engine.ts";
import type { Guard, TabClass, TabHeaders } from "../engine/guard.ts";
import { both } from "../engine/site-set.ts";
import type { Companion } from "./companion.ts";
import { freeNavigation } from "./free-navigation.ts";
import type { TabState } from "./runtime.ts";
import type { TabBook } from "./tab-book.ts";
import { wantedPlan } from "./wanted-plan.ts";

/** What the conductor reads each time: it never changes what the person wants. */
export interface Score {
  readonly enabled: boolean;
  readonly rules: Rules;
  readonly proxyPort: number;
  readonly imagesMayBeChallenged: boolean;
}

export interface ConductorParts {
  readonly score: () => Score;
  /** A change of the mode or of a tab's route has closed open tunnels. */
  readonly tunnelsClosed: () => void;
}

/** Which choices the browser and the companion were last shown to follow. */
type InForce =
  | { readonly kind: "off" }
  /** Without the companion nothing leaves. */
  | { readonly kind: "held" }
  | {
      readonly kind: "led";
      readonly rules: Rules;
      readonly tabRules: ReadonlyMap<number, TabRule | null>;
    };

const BLOCKED = routeId(BLOCK);
const TRY_AGAIN_MS = 1_000;

/**
 * Brings the browser and the companion from one state to the next in an order in which no request can be led wrongly:
 * first the gate closes for what is not right in both states, then the companion closes the tunnels that the next state
 * makes wrong and says so, then the browser's proxy script changes, and only then does the gate open again.
 */
export class Conductor {
  readonly #engine: Engine;
  readonly #companion: Pick<Companion, "welcome" | "ask">;
  readonly #book: TabBook;
  readonly #score: () => Score;
  readonly #tunnelsClosed: () => void;
  readonly #owners = new Map<string, RouteId>();
  #applied: Wanted | null = null;
  /** The plan that was sent last: the companion may follow it before it is heard to. */
  #sent: Wanted | null = null;
  /** The steady route before the attributed plan, while its tunnels may finish what they carry. */
  #kept: RouteId | null = null;
  #naming: Naming | null = null;
  #port = 0;
  #isOn: boolean | undefined;
  #inForce: InForce | null = null;
  #isDirty = false;
  #running: Promise<void> | null = null;
  #problem: string | null = null;
  revision = 0;
  generation = 0;

  constructor(
    engine: Engine,
    companion: Pick<Companion, "welcome" | "ask">,
    book: TabBook,
    parts: ConductorParts,
  ) {
    this.#engine = engine;
    this.#companion = companion;
    this.#book = book;
    this.#score = parts.score;
    this.#tunnelsClosed = parts.tunnelsClosed;
  }

  /** The plan that the companion has acknowledged; null while there is none. */
  get applied(): Wanted | null {
    return this.#applied;
  }

  /** Why the browser is not in the state that it should be in, for people. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Whether what begins now in this tab goes this way; null stands for a browser whose exits are off. */
  isInForce({ tabId, site }: Pick<TabState, "tabId" | "site">, wanted: RouteId | null): boolean {
    switch (this.#inForce?.kind) {
      case undefined:
        return false;
      case "off":
        return wanted === null;
      case "held":
        return wanted === BLOCKED;
      case "led": {
        const { rules, tabRules } = this.#inForce;
        return decide(rules, tabRules.get(tabId) ?? null, site).routeId === wanted;
      }
    }
  }

  /** Whether a change is under way: until it is done nothing more is let past the gate. */
  get isBusy(): boolean {
    return this.#running !== null;
  }

  get owners(): [string, RouteId][] {
    return [...this.#owners];
  }

  load(state: {
    revision: number;
    generation: number;
    owners: readonly (readonly [string, RouteId])[];
  }): void {
    this.revision = state.revision;
    this.generation = state.generation;
    for (const [site, owner] of state.owners) this.#owners.set(site, owner);
  }

  /** The companion has forgotten the plan, or may have. */
  forget(): void {
    this.#applied = null;
    this.#sent = null;
    this.#inForce = null;
  }

  /**
   * A tunnel of this site is about to be opened under this route.
   * @returns false when another route's tunnels may be in use there
   */
  claim(site: string, id: RouteId): boolean {
    const mode = this.#sent?.mode;
    if (!mode) return false;
    if (mode.kind === "steady") return mode.routeId === id;
    if (mode.perRequest) return true;
    const owner = this.#owners.get(site);
    if (owner === undefined) this.#owners.set(site, id);
    return (owner ?? id) === id;
  }

  /** What the tabs want now, whether or not it has been reached. */
  wanted(): Wanted {
    return wantedPlan(this.#score().rules, this.#book.facts(), this.#book.sitesWithWorkers);
  }

  /** Resolves when the browser and the companion are as the state at the time of the call wants them, or cannot be. */
  settle(): Promise<void> {
    this.#isDirty = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #run(): Promise<void> {
    // Changes come in bursts, and the first step takes them all.
    await Promise.resolve();
    while (this.#isDirty) {
      this.#isDirty = false;
      try {
        await this.#step();
        this.#problem = null;
      } catch (error) {
        this.#applied = null;
        this.#inForce = null;
        this.#problem = error instanceof Error ? error.message : String(error);
        setTimeout(() => void this.settle(), TRY_AGAIN_MS);
      }
    }
  }

  async #step(): Promise<void> {
    const score = this.#score();
    if (!score.enabled) {
      if (this.#isOn !== false) await this.#switchOff();
      this.#inForce = { kind: "off" };
      return;
    }
    if (!this.#isOn) {
      await this.#engine.setPrivacy(true);
      this.#isOn = true;
    }
    const { welcome } = this.#companion;
    if (!welcome) return this.#holdEverything(score);
    await this.#reach(score, welcome.headerToken);
  }

  /** The gate keeps every navigation, and what is under way is led to the companion that is not there. */
  async #holdEverything(score: Score): Promise<void> {
    this.#applied = null;
    await this.#engine.setGuard({ ...closedGuard(), headerToken: null });
    if (this.#naming === null || this.#port !== score.proxyPort)
      await this.#switchScript("steady", score.proxyPort, false);
    this.#inForce = { kind: "held" };
  }

  async #switchOff(): Promise<void> {
    await this.#engine.leadTo(null, false);
    await this.#engine.setGuard(null);
    await this.#engine.setPrivacy(false);
    this.#applied = null;
    this.#naming = null;
    this.#isOn = false;
    this.#owners.clear();
  }

  async #reach(score: Score, token: string): Promise<void> {
    const before = this.#applied;
    const wanted = await this.#closeGate(before, score, token);
    if (before === null || !isSame(before, wanted)) await this.#apply(wanted, score);
    const naming = namingOf(wanted, score);
    if (naming !== this.#naming || score.proxyPort !== this.#port)
      await this.#switchScript(naming, score.proxyPort, true);
    const tabRules = new Map(this.#book.all().map(({ tabId, rule }) => [tabId, rule]));
    await this.#engine.setGuard(this.#guardOf(wanted, score, token));
    this.#inForce = { kind: "led", rules: score.rules, tabRules };
  }

  /**
   * Closes the gate for the change that is wanted. What slipped past it before it was closed has been heard of when it
   * is, and may want another change.
   * @returns the change that is wanted behind the closed gate
   */
  async #closeGate(before: Wanted | null, score: Score, token: string): Promise<Wanted> {
    let wanted = this.wanted();
    while (before === null || isTurn(before, wanted)) {
      await this.#engine.setGuard(this.#guardBetween(before, wanted, score, token));
      const now = this.wanted();
      if (isSame(now, wanted)) break;
      wanted = now;
    }
    return wanted;
  }

  async #apply(wanted: Wanted, score: Score): Promise<void> {
    this.#kept = keptUnder(this.#applied, wanted, this.#kept);
    const mode =
      wanted.mode.kind === "steady"
        ? wanted.mode
        : {
            ...wanted.mode,
            imagesMayBeChallenged: score.imagesMayBeChallenged,
            ...(this.#kept !== null && { keepSteady: this.#kept }),
          };
    const before = this.#applied;
    this.revision += 1;
    this.#sent = wanted;
    const { closedTunnels } = await this.#companion.ask("plan.apply", {
      ...wanted,
      tabs: [...wanted.tabs],
      mode,
      revision: this.revision,
    });
    if (closedTunnels > 0 && before !== null && isTurn(before, wanted)) this.#tunnelsClosed();
    this.#own(wanted);
    this.#applied = wanted;
  }

  /** What the acknowledged plan says of the tunnels that may still be open, site by site. */
  #own(wanted: Wanted): void {
    if (wanted.mode.kind === "steady") this.#owners.clear();
    else if (wanted.mode.perRequest) return;
    else for (const { site, routeId: id } of wanted.tabs) this.#owners.set(site, id);
  }

  async #switchScript(naming: Naming, port: number, confirm: boolean): Promise<void> {
    this.generation += 1;
    this.#naming = null;
    await this.#engine.leadTo({ port, naming, generation: this.generation }, confirm);
    this.#naming = naming;
    this.#port = port;
  }

  #guardOf(wanted: Wanted, score: Score, headerToken: string): Guard {
    const classes = this.#classes().map(({ rule, tabIds }) => ({
      tabIds,
      ...freeNavigation(score.rules, rule, wanted.mode, this.#owners),
    }));
    return {
      classes,
      headerToken,
      headers: headersOf(wanted, score.rules, this.#book.all()),
      silenced: this.#silenced(score),
    };
  }

  /** Free is only what is free before and after; a page whose route turns is silent until it has turned. */
  #guardBetween(before: Wanted | null, wanted: Wanted, score: Score, token: string): Guard {
    const after = this.#guardOf(wanted, score, token);
    if (!before) return { ...after, classes: [] };
    const classes = this.#classes().map(({ rule, tabIds }, index): TabClass => {
      const old = freeNavigation(score.rules, rule, before.mode, this.#owners);
      const next = after.classes[index] ?? { free: old.free, freeToPost: old.freeToPost };
      return { tabIds, free: both(old.free, next.free), freeToPost: both(old.freeToPost, next.freeToPost) };
    });
    return {
      ...after,
      classes,
      silenced: [...new Set([...after.silenced, ...(isPerRequest(wanted) ? turned(before, wanted) : [])])],
    };
  }

  /** Tabs with the same rule of their own. Tabs that nobody knows yet are free only while no tab has a rule. */
  #classes(): { rule: TabRule | null; tabIds: number[] | null }[] {
    const classes = new Map<string, { rule: TabRule | null; tabIds: number[] }>();
    for (const { tabId, rule } of this.#book.all()) {
      const key = rule ? routeId(rule.route) : "";
      const found = classes.get(key);
      if (found) found.tabIds.push(tabId);
      else classes.set(key, { rule, tabIds: [tabId] });
    }
    const hasRule = [...classes.keys()].some((key) => key !== "");
    return hasRule ? [...classes.values()] : [{ rule: null, tabIds: null }];
  }

  #silenced({ rules }: Score): number[] {
    return this.#book
      .all()
      .filter(({ site, rule }) => site !== null && decide(rules, rule, site).routeId === BLOCKED)
      .map(({ tabId }) => tabId);
  }
}

function isSame(a: Wanted, b: Wanted): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Whether the change is more than one page coming or going. */
function isTurn(before: Wanted, wanted: Wanted): boolean {
  return JSON.stringify(before.mode) !== JSON.stringify(wanted.mode) || turned(before, wanted).length > 0;
}

function isPerRequest({ mode }: Wanted): boolean {
  return mode.kind === "attributed" && mode.perRequest;
}

/**
 * Two routes use tunnels under other proxy names than one route did, so that neither finds the other's. Names change in
 * turns only where images may be challenged: otherwise an image and the helper that opens its tunnel need the same one.
 */
function namingOf({ mode }: Wanted, { imagesMayBeChallenged }: Score): Naming {
  if (mode.kind === "steady") return "steady";
  if (mode.perRequest) return "own";
  return imagesMayBeChallenged ? "inTurns" : "byHost";
}

/** Whose steady tunnels may finish: those of the route that all tabs had, until one of these tabs turns. */
function keptUnder(before: Wanted | null, wanted: Wanted, kept: RouteId | null): RouteId | null {
  if (before === null || wanted.mode.kind === "steady" || turned(before, wanted).length > 0) return null;
  return before.mode.kind === "steady" ? before.mode.routeId : kept;
}

/** Tabs that stay on a site under another route. */
function turned(before: Wanted, wanted: Wanted): number[] {
  return wanted.tabs
    .filter(({ tabId, site, routeId: id }) =>
      before.tabs.some((old) => old.tabId === tabId && old.site === site && old.routeId !== id),
    )
    .map(({ tabId }) => tabId);
}

function closedGuard(): Guard {
  return { classes: [], headerToken: null, headers: { kind: "tabs", tabs: [] }, silenced: [] };
}

function headersOf(wanted: Wanted, rules: Rules, tabs: readonly TabState[]): Guard["headers"] {
  if (wanted.mode.kind === "steady") return { kind: "steady", routeId: wanted.mode.routeId };
  return { kind: "tabs", tabs: tabs.map((tab) => tabHeaders(rules, tab)) };
}

function tabHeaders(rules: Rules, { tabId, rule, site }: TabState): TabHeaders {
  const at = (name: string | null) => open(decide(rules, rule, name).route);
  const ruled = rule ? [] : Object.keys(rules.sites);
  const sites = ruled.flatMap((name) => {
    const id = at(name);
    return id === null ? [] : [{ routeId: id, sites: [name] }];
  });
  return { tabId, page: at(site), elsewhere: at(null), sites };
}

function open(route: Route): RouteId | null {
  return route.kind === "block" ? null : routeId(route);
}
