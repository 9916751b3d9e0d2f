/** The lists that come with the program; each is a category of the regional policy as well. */
export const BUILT_IN_LISTS = ["ads", "tracking", "security"] as const;
export type BuiltInList = (typeof BUILT_IN_LISTS)[number];
