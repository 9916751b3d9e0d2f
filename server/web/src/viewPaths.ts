/** Every address of the page that has a view; the server answers all others with 404. `:id` is any one segment. */
export const viewPaths = {
  signIn: "/sign-in",
  signUp: "/sign-up",
  signInOnce: "/sign-in/once",
  dashboard: "/",
  exits: "/exits",
  credentials: "/credentials",
  credential: "/credentials/:id",
  limits: "/limits",
  explain: "/user-names",
  account: "/account",
} as const;
