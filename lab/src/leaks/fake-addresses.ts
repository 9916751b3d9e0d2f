/** One of the addresses that stand for names, of each family. */
export const FAKE_ADDRESSES = { 4: "198.18.5.5", 6: "fd61:746c:1::5" } as const;
