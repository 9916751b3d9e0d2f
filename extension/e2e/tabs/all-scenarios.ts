import type { Scenario } from "./scenario.ts";
import { asleep, companionKilled, hiddenHost, switchedOff, webRtc, workers } from "./scenarios-edges.ts";
import {
  oldSites,
  oneSiteTwoRoutes,
  plainHttp,
  thirtyTabs,
  threeTabs,
  threeTabsShort,
  threeTabsSteadily,
  turnedInMidLoad,
  turnedOnTheWay,
} from "./scenarios-loads.ts";
import {
  byClick,
  byForm,
  byPost,
  byRedirect,
  openedByPages,
  postToNobodys,
  restored,
} from "./scenarios-ways.ts";

/** Many requests at once. */
export const underLoad: readonly Scenario[] = [
  threeTabs,
  threeTabsSteadily,
  oldSites,
  thirtyTabs,
  plainHttp,
  turnedInMidLoad,
  turnedOnTheWay,
];

/** One thing after another, the one that restarts the browser last. */
export const stepByStep: readonly Scenario[] = [
  oneSiteTwoRoutes,
  byClick,
  byForm,
  byRedirect,
  byPost,
  postToNobodys,
  openedByPages,
  workers,
  webRtc,
  asleep,
  companionKilled,
  hiddenHost,
  switchedOff,
  restored,
];

/** Everything that is shown with the policy installed. */
export const withPolicy: readonly Scenario[] = [...underLoad, ...stepByStep];

/** What the policy makes a difference to. */
export const withoutPolicy: readonly Scenario[] = [threeTabsShort, threeTabsSteadily, plainHttp];
