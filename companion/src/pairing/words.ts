import { wordlist } from "@scure/bip39/wordlists/english.js";

/** 2048 short words that people do not mistake for one another (BIP-39): six of them are 66 bits. */
export const words: readonly string[] = wordlist;
