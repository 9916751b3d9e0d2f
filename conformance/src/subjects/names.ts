/** The names that cases use, and where they lead. */
export const testNames: Readonly<Record<string, readonly string[]>> = {
  localhost: ["127.0.0.1"],
  "private.atlantic.test": ["127.0.0.2"],
};
