import { browser } from "wxt/browser";

/** Closes the ways around a proxy that the browser has settings for, WebRTC and prediction; or gives them back. */
export async function setPrivacy(on: boolean): Promise<void> {
  const { network } = browser.privacy;
  if (on) {
    await network.webRTCIPHandlingPolicy.set({ value: "disable_non_proxied_udp" });
    await network.networkPredictionEnabled.set({ value: false });
  } else {
    await network.webRTCIPHandlingPolicy.clear({});
    await network.networkPredictionEnabled.clear({});
  }
}
