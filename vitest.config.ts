import { defineConfig } from "vitest/config";

const ignored = ["**/node_modules/**", "**/.output/**", "**/dist/**", "**/target/**", "data/**"];

/** A state that a test waits for comes late on a busy machine: a second is no sign that it does not come. */
const patient = { poll: { interval: 50, timeout: 60_000 } };

/** Browser tests of single pages, which can stand another browser beside them. */
const pages = [
  "server/web/e2e/*.e2e.test.ts",
  "extension/e2e/popup-{states,keyboard}.e2e.test.ts",
  "extension/e2e/options.e2e.test.ts",
];

/**
 * Three kinds of test, told apart by the file's name:
 * `x.test.ts` runs in memory, `x.integration.test.ts` drives real sockets, databases and processes,
 * `x.e2e.test.ts` drives a browser or the lab.
 */
export default defineConfig({
  test: {
    reporters: ["default"],
    projects: [
      {
        test: {
          name: "unit",
          // The many runs of a property take long beside other work.
          testTimeout: 60_000,
          expect: patient,
          include: ["**/*.test.{ts,tsx}"],
          exclude: [...ignored, "**/*.integration.test.ts", "**/*.e2e.test.ts"],
        },
      },
      {
        test: {
          name: "integration",
          include: ["**/*.integration.test.ts"],
          exclude: ignored,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          expect: patient,
          // Two at a time: every test has ports and folders of its own, and the crash test is mostly waiting.
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: "pages",
          include: pages,
          exclude: ignored,
          testTimeout: 120_000,
          hookTimeout: 300_000,
          expect: patient,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["**/*.e2e.test.ts"],
          exclude: [...ignored, ...pages],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          expect: patient,
          // Each test has ports, folders, profiles and namespaces of its own, and much of its time is waiting.
          maxWorkers: 2,
        },
      },
    ],
  },
});
