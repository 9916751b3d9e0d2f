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

/** Everything that is shown with the policy installed, the one that restarts the browser last. */
export const withPolicy: readonly Scenario[] = [
  threeTabs,
  threeTabsSteadily,
  oldSites,
  thirtyTabs,
  oneSiteTwoRoutes,
  byClick,
  byForm,
  byRedirect,
  byPost,
  postToNobodys,
  openedByPages,
  plainHttp,
  workers,
  webRtc,
  turnedInMidLoad,
  asleep,
  companionKilled,
  hiddenHost,
  switchedOff,
  restored,
];

/** What the policy makes a difference to. */
export const withoutPolicy: readonly Scenario[] = [threeTabsShort, threeTabsSteadily, plainHttp];
