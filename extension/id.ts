/**
 * The public key that pins the extension's id in Chrome. Its private half was thrown away: the id is a name,
 * and nothing is signed with it.
 */
export const EXTENSION_PUBLIC_KEY =
  "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA2Yndep76DK8GP6xkR8ZWXSRHoXiX5GNexUnayf8jQnzXZjrVzeVyrJde4slq83bO4G/7Esf8DggTxKRHIEd7bSmbKg6NeQJKDvaIawn762JgY1R/JSL6phlHlBSzIaPYCeWjX1j9Ms6/ndovcaEt5D38nO9oku8te8KuM87v+ft37QHaX6huitf5FfKIuwTfwbGzfQCoaOiX2nub0+3PkbsaW6PoQfq8jCacEqaeLxH8Md3SOlDxSP8cS6jsnN2+Z3PYpLjHBYpWDl3KkpQ575FMP5CKoX0iSHCxcUFpP//ayJs+3nJ9wuozd5EYtLWNQlGuPFpKlvfl2bBalnIJkwIDAQAB";

export { EXTENSION_ID, FIREFOX_EXTENSION_ID } from "../shared/control/extension-id.ts";

/** The native-messaging host that the extension talks to. */
export const NATIVE_HOST = "org.atlantic_proxy.companion";
