import { type ProxyError, proxyErrorOf, proxyErrors } from "@atlantic/shared/errors.ts";
import type { Authenticator, Identity } from "../authenticator.ts";
import {
  type Reader,
  readGreeting,
  readLogin,
  readSocksRequest,
  reply,
  type SocksRequest,
  VERSION,
} from "./messages.ts";

const NO_AUTHENTICATION = 0x00;
const USERNAME_PASSWORD = 0x02;
const LOGIN_VERSION = 1;
const WELCOME_METHOD = Buffer.from([VERSION, USERNAME_PASSWORD]);
const WELCOME_ADDRESS = Buffer.from([VERSION, NO_AUTHENTICATION]);
const NO_ACCEPTABLE_METHOD = Buffer.from([VERSION, 0xff]);
const LOGGED_IN = Buffer.from([LOGIN_VERSION, 0]);
const NOT_LOGGED_IN = Buffer.from([LOGIN_VERSION, 1]);
const EMPTY: Buffer = Buffer.alloc(0);

/** What comes of what the client says. The last thing that is called is `onRequest` or `onRefused`. */
export interface SocksDialogueListener {
  /** An answer of the dialogue. */
  onAnswer(bytes: Buffer): void;
  /** All that was said is understood, and more is needed. */
  onMore(): void;
  /** What the client wants; `rest` is what it said behind it. */
  onRequest(identity: Identity, request: SocksRequest, rest: Buffer): void;
  /** The dialogue is over; `lastWords` are empty where the protocol has none. */
  onRefused(lastWords: Buffer, error: ProxyError | undefined): void;
}

type Stage = "greeting" | "login" | "identifying" | "request" | "over";

/** The client's part of SOCKS5 (RFC 1928, RFC 1929) up to its request, without a socket: bytes in, answers out. */
export class SocksDialogue {
  readonly #authenticator: Authenticator;
  readonly #client: string;
  readonly #listener: SocksDialogueListener;
  #stage: Stage = "greeting";
  #waiting: Buffer = EMPTY;
  #identity: Identity | undefined;

  constructor(authenticator: Authenticator, client: string, listener: SocksDialogueListener) {
    this.#authenticator = authenticator;
    this.#client = client;
    this.#listener = listener;
  }

  /** Whether the client waits to hear whether its login is right: what it says, or that it ends, can wait as well. */
  get isIdentifying(): boolean {
    return this.#stage === "identifying";
  }

  /** Takes what the client said. The bytes may be kept for as long as the dialogue lasts. */
  hear(bytes: Buffer): void {
    if (this.#stage === "over") return;
    this.#waiting = this.#waiting.length === 0 ? bytes : Buffer.concat([this.#waiting, bytes]);
    this.#advance();
  }

  #advance(): void {
    try {
      if (this.#stage === "greeting") this.#greet();
      if (this.#stage === "login") this.#logIn();
      if (this.#stage === "request") this.#request();
      if (this.#stage !== "over" && this.#stage !== "identifying") this.#listener.onMore();
    } catch (error) {
      this.#refuse(proxyErrorOf(error));
    }
  }

  #take<Message>(read: Reader<Message>): Message | undefined {
    const found = read(this.#waiting);
    if (found === undefined) return undefined;
    this.#waiting = this.#waiting.subarray(found.used);
    return found.message;
  }

  #greet(): void {
    const greeting = this.#take(readGreeting);
    if (greeting === undefined) return;
    if (greeting.methods.includes(USERNAME_PASSWORD)) {
      this.#stage = "login";
      this.#listener.onAnswer(WELCOME_METHOD);
    } else if (greeting.methods.includes(NO_AUTHENTICATION)) {
      this.#greetByAddress();
    } else {
      this.#end(NO_ACCEPTABLE_METHOD, undefined);
    }
  }

  /** A client that will show nothing is known by its address, or not at all. */
  #greetByAddress(): void {
    const answer = this.#authenticator.fromAddress(this.#client);
    const greet = (identity: Identity | undefined) => {
      if (identity === undefined) this.#end(NO_ACCEPTABLE_METHOD, undefined);
      else this.#welcome(identity, WELCOME_ADDRESS);
    };
    if (answer instanceof Promise) this.#await(answer, greet);
    else greet(answer);
  }

  #logIn(): void {
    const login = this.#take(readLogin);
    if (login === undefined) return;
    const answer = this.#authenticator.fromLogin(login.username, login.password, this.#client);
    const greet = (identity: Identity) => this.#welcome(identity, LOGGED_IN);
    if (answer instanceof Promise) this.#await(answer, greet);
    else greet(answer);
  }

  #await<Found>(answer: Promise<Found>, greet: (found: Found) => void): void {
    const stage = this.#stage;
    this.#stage = "identifying";
    answer.then(
      (found) => {
        greet(found);
        if (this.#stage !== "over") this.#advance();
      },
      (error) => {
        this.#stage = stage;
        this.#refuse(proxyErrorOf(error));
      },
    );
  }

  #welcome(identity: Identity, words: Buffer): void {
    this.#identity = identity;
    this.#stage = "request";
    this.#listener.onAnswer(words);
  }

  #request(): void {
    const request = this.#take(readSocksRequest);
    if (request === undefined || this.#identity === undefined) return;
    this.#stage = "over";
    this.#listener.onRequest(this.#identity, request, this.#waiting);
  }

  /** The stage decides in which of the ways the protocol can say no. */
  #refuse(error: ProxyError): void {
    if (this.#stage === "greeting") this.#end(EMPTY, error);
    else if (this.#stage === "request" || this.#stage === "over") this.#end(refusalOf(error), error);
    else this.#end(NOT_LOGGED_IN, error);
  }

  #end(lastWords: Buffer, error: ProxyError | undefined): void {
    this.#stage = "over";
    this.#waiting = EMPTY;
    this.#listener.onRefused(lastWords, error);
  }
}

/** The reply that refuses a request (RFC 1928 §6). */
export function refusalOf({ code }: ProxyError): Buffer {
  const { socks } = proxyErrors[code];
  return reply(socks === "authentication" ? 1 : socks);
}
