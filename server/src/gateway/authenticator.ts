import { ProxyError } from "@atlantic/shared/errors.ts";
import { type GatewayUsername, parseGatewayUsername } from "@atlantic/shared/exits/gateway-username.ts";
import { AttemptThrottle } from "./attempt-throttle.ts";
import type { CredentialVerifier, GatewayCredential } from "./credential.ts";

/** Who a client is and what it wants, as its user name says. */
export interface Identity {
  readonly credential: GatewayCredential;
  readonly wish: GatewayUsername;
}

/** A login as it was read: what does not change however often it is shown. */
interface Login {
  /** What it is known by. */
  readonly name: string;
  readonly wish: GatewayUsername;
  readonly password: string;
  /** Whether it was right once: then it is nobody's guess, and others' guesses must not shut its owner out. */
  wasRight: boolean;
}

const MAX_KNOWN_LOGINS = 5_000;

/** Turns a user name and password into an identity, from Basic (RFC 7617) or RFC 1929. */
export class Authenticator {
  readonly #verifier: CredentialVerifier;
  readonly #throttle: AttemptThrottle;
  readonly #onKnown: (client: string) => void;
  /** Clients show the same login for each connection: it is read once. Whether it is right is asked every time. */
  readonly #known = new Map<string, Login>();

  /** @param onKnown told the address of every client that has shown who it is */
  constructor(
    verifier: CredentialVerifier,
    clock: () => number,
    onKnown: (client: string) => void = () => {},
  ) {
    this.#verifier = verifier;
    this.#onKnown = onKnown;
    this.#throttle = new AttemptThrottle(clock);
  }

  /**
   * Reads the value of `Proxy-Authorization`. Without one, the client's address may say who it is.
   * @throws ProxyError `authentication_required`, `bad_username`, `wrong_credentials` or `too_many_attempts`
   */
  fromHeader(value: string | undefined, client: string): Identity | Promise<Identity> {
    if (value !== undefined) {
      return this.#identify(this.#known.get(value) ?? this.#read(value, () => readBasic(value)), client);
    }
    const identity = this.fromAddress(client);
    return identity instanceof Promise
      ? identity.then((found) => this.#required(found, client))
      : this.#required(identity, client);
  }

  /** Who a client is that shows neither user name nor password: the one credential that lists its address for that. */
  fromAddress(client: string): Identity | undefined | Promise<Identity | undefined> {
    const credential = this.#verifier.byAddress?.(client);
    return credential instanceof Promise ? credential.then(anonymous) : anonymous(credential);
  }

  /** @throws ProxyError `bad_username`, `wrong_credentials` or `too_many_attempts` */
  fromLogin(username: string, password: string, client: string): Identity | Promise<Identity> {
    const name = `${username}:${password}`;
    return this.#identify(this.#known.get(name) ?? this.#read(name, () => [username, password]), client);
  }

  #required(identity: Identity | undefined, client: string): Identity {
    if (identity === undefined) throw new ProxyError("authentication_required");
    this.#onKnown(client);
    return identity;
  }

  #read(name: string, split: () => readonly [username: string, password: string]): Login {
    const [username, password] = split();
    const wish = parseGatewayUsername(username);
    if ("problem" in wish) throw new ProxyError("bad_username", wish.problem);
    return { name, wish, password, wasRight: false };
  }

  /** Only what was right is kept: guesses would fill the memory, and push out the owners' logins. */
  #remember(login: Login): void {
    login.wasRight = true;
    if (this.#known.size >= MAX_KNOWN_LOGINS) this.#known.clear();
    this.#known.set(login.name, login);
  }

  #identify(login: Login, client: string): Identity | Promise<Identity> {
    const name = login.wish.credential;
    if (!login.wasRight && this.#throttle.isClosed(client, name)) throw new ProxyError("too_many_attempts");
    const answer = this.#verifier.verify(name, login.password, client);
    if (answer instanceof Promise)
      return answer.then((credential) => this.#identity(credential, login, client));
    return this.#identity(answer, login, client);
  }

  #identity(credential: GatewayCredential | undefined, login: Login, client: string): Identity {
    if (credential) {
      if (!login.wasRight) {
        this.#remember(login);
        this.#throttle.succeeded(client, login.wish.credential);
      }
      this.#onKnown(client);
      return { credential, wish: login.wish };
    }
    login.wasRight = false;
    this.#throttle.failed(client, login.wish.credential);
    throw new ProxyError("wrong_credentials");
  }
}

function anonymous(credential: GatewayCredential | undefined): Identity | undefined {
  return credential && { credential, wish: { credential: credential.id, exit: {}, session: undefined } };
}

/** @throws ProxyError `authentication_required` when it is not Basic authentication */
function readBasic(value: string): [username: string, password: string] {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(value)?.[1];
  const decoded = encoded === undefined ? "" : Buffer.from(encoded, "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  if (colon < 0) throw new ProxyError("authentication_required", "Only Basic authentication is understood.");
  return [decoded.slice(0, colon), decoded.slice(colon + 1)];
}
