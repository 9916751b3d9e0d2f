import { expect, test } from "vitest";
import { AttemptThrottle } from "./attempt-throttle.ts";
import { Authenticator } from "./authenticator.ts";

test("an address waits after twenty wrong tries in a minute, and no other address does", () => {
  let now = 0;
  const throttle = new AttemptThrottle(() => now);
  for (let count = 0; count < 19; count++) throttle.failed("1.1.1.1", "atl_a");
  expect(throttle.isClosed("1.1.1.1", "atl_a")).toBe(false);
  throttle.failed("1.1.1.1", "atl_a");
  expect(throttle.isClosed("1.1.1.1", "atl_a")).toBe(true);
  expect(throttle.isClosed("2.2.2.2", "atl_a")).toBe(false);
  now = 60_000;
  expect(throttle.isClosed("1.1.1.1", "atl_a")).toBe(false);
});

test("a guesser that waits is not told whether its next guess is right, and locks no owner out", () => {
  const verifier = {
    verify: (username: string, password: string) =>
      password === "right" ? { id: username, userId: "u" } : undefined,
    forget: () => {},
  };
  const authenticator = new Authenticator(verifier, () => 0);
  const attempt = (password: string, username = "atl_abcdefgh") => {
    try {
      authenticator.fromLogin(username, password, "1.1.1.1");
      return "fine";
    } catch (error) {
      return error instanceof Error && "code" in error ? error.code : "?";
    }
  };
  expect(attempt("right")).toBe("fine");
  for (let count = 0; count < 20; count++) expect(attempt(`guess ${count}`)).toBe("wrong_credentials");
  expect(attempt("guess")).toBe("too_many_attempts");
  expect(attempt("right", "atl_another0")).toBe("too_many_attempts");
  expect(attempt("right")).toBe("fine");
});

test("however many guesses come, an owner at the same address stays known", () => {
  const verifier = {
    verify: (username: string, password: string) =>
      password === "right" ? { id: username, userId: "u" } : undefined,
    forget: () => {},
  };
  const authenticator = new Authenticator(verifier, () => 0);
  const credential = { id: "atl_owner", userId: "u" };
  expect(authenticator.fromLogin("atl_owner", "right", "1.1.1.1")).toMatchObject({ credential });
  for (let count = 0; count < 6_000; count++) {
    expect(() => authenticator.fromLogin("atl_owner", `guess ${count}`, "1.1.1.1")).toThrow();
  }
  expect(authenticator.fromLogin("atl_owner", "right", "1.1.1.1")).toMatchObject({ credential });
});
