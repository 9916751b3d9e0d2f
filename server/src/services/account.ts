import type { Kysely } from "kysely";
import type { Schema } from "../db/schema.ts";
import { authorise, type Caller } from "./caller.ts";
import { ServiceError } from "./errors.ts";

/** An account, as its owner sees it. */
export interface AccountView {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly createdAt: Date;
  /** Whether it can be signed in to with a password; the first account has none until its owner sets one. */
  readonly hasPassword: boolean;
}

/** Reads accounts. Passwords and sessions are the auth library's (auth/). */
export class AccountService {
  readonly #db: Kysely<Schema>;

  constructor(parts: { db: Kysely<Schema> }) {
    this.#db = parts.db;
  }

  /** @throws ServiceError not_found when the account was deleted meanwhile. */
  async get(caller: Caller): Promise<AccountView> {
    const { userId } = authorise(caller, "account.read");
    const account = await this.#db
      .selectFrom("user")
      .select((user) => [
        "id",
        "email",
        "name",
        "createdAt",
        user
          .exists(
            user
              .selectFrom("account")
              .select("account.id")
              .whereRef("account.userId", "=", "user.id")
              .where("account.password", "is not", null),
          )
          .as("hasPassword"),
      ])
      .where("id", "=", userId)
      .executeTakeFirst();
    if (account === undefined) throw new ServiceError("not_found", "This account is no longer there.");
    return { ...account, hasPassword: Boolean(account.hasPassword) };
  }
}
