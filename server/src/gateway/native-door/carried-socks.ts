import type { CarriedClientListener, CarriedConnection } from "@atlantic/native";
import type { ProxyError } from "@atlantic/shared/errors.ts";
import type { Identity } from "../authenticator.ts";
import type { ClientConnection } from "../context.ts";
import type { SocksRequest } from "../socks5/messages.ts";
import { SocksConnection } from "../socks5/socks-connection.ts";
import { refusalOf, SocksDialogue, type SocksDialogueListener } from "../socks5/socks-dialogue.ts";
import { askedAgain, CarriedSocksRequest, loginBehindGreeting } from "./carried-socks-request.ts";
import { decisionDeadline, LINGER_MS } from "./carried-tunnel.ts";
import type { Door } from "./native-door.ts";

const NOTHING: Buffer = Buffer.alloc(0);

/** A SOCKS5 client that the engine has: its dialogue, until it is a tunnel. */
export class CarriedSocks implements CarriedClientListener, SocksDialogueListener, ClientConnection {
  readonly #door: Door;
  readonly #client: CarriedConnection;
  readonly #dialogue: SocksDialogue;
  readonly #deadline: number;
  /** Answers that wait to be sent together. */
  #answers = NOTHING;
  /** How many of the next answers the engine has given already. */
  #answered: number;
  /** What it said first, where that begins with what the engine has answered. */
  #first: Buffer | undefined;
  /** Whether that is all that it has said. */
  #isAll = false;

  constructor(door: Door, client: CarriedConnection, answered: number) {
    this.#door = door;
    this.#client = client;
    this.#answered = answered;
    this.#deadline = decisionDeadline(door);
    this.#dialogue = new SocksDialogue(door.context.authenticator, client.address, this);
    client.listen(this);
    door.connections.add(this);
  }

  checkDeadline(now: number): void {
    if (now >= this.#deadline) this.destroy();
  }

  drain(): void {
    this.destroy();
  }

  destroy(): void {
    this.#client.close();
  }

  onData(bytes: Buffer): void {
    const said = Buffer.from(bytes);
    this.#isAll = this.#answered > 0 && this.#first === undefined;
    if (this.#isAll) this.#first = said;
    this.#dialogue.hear(said);
  }

  onAnswer(bytes: Buffer): void {
    if (this.#answered > 0) this.#answered -= 1;
    else this.#answers = this.#answers.length === 0 ? bytes : Buffer.concat([this.#answers, bytes]);
  }

  onMore(): void {
    this.#client.say(this.#takeAnswers(), true);
  }

  onRefused(lastWords: Buffer, error: ProxyError | undefined): void {
    if (error) this.#door.context.told(error);
    if (error?.code === "internal") {
      this.#door.context.logger.error({ err: error.cause ?? error }, "socks5 failed");
    }
    // It has heard that its login is right: what is wrong is the answer to its request.
    if (this.#answered > 0 && error) {
      this.#door.logins.withdraw();
      this.#client.refuse(refusalOf(error), LINGER_MS);
      return;
    }
    const answers = this.#takeAnswers();
    if (answers.length === 0 && lastWords.length === 0) this.#client.close();
    else this.#client.refuse(Buffer.concat([answers, lastWords]), LINGER_MS);
  }

  onRequest(identity: Identity, request: SocksRequest, rest: Buffer): void {
    if (this.#answers.length > 0) this.#client.say(this.#takeAnswers(), false);
    this.#door.connections.delete(this);
    const first = this.#first;
    const login = first && loginBehindGreeting(first);
    if (login) this.#door.logins.wasRight(this.#client.address, login.bytes);
    if (request.command !== "connect") {
      this.#handOver(identity, request, rest);
      return;
    }
    const head =
      login && this.#isAll ? Buffer.from(first.subarray(0, first.length - rest.length)) : undefined;
    const asked = login && head && askedAgain(head, login, request);
    const again = asked && head && { asked, head };
    const { host, port } = request;
    const said = { target: { host, port }, again, early: rest };
    new CarriedSocksRequest(this.#door, this.#client, said).openFor(identity);
  }

  #handOver(identity: Identity, request: SocksRequest, rest: Buffer): void {
    const { connections, context } = this.#door;
    this.#door.socketOf(this.#client, (socket) => {
      const connection = new SocksConnection(socket, this.#client.address, context);
      connections.add(connection);
      socket.once("close", () => connections.delete(connection));
      connection.onRequest(identity, request, rest);
    });
  }

  #takeAnswers(): Buffer {
    const answers = this.#answers;
    this.#answers = NOTHING;
    return answers;
  }

  onDialled(): void {}

  onFailed(): void {}

  onTaken(): void {}

  onClosed(): void {
    this.#door.connections.delete(this);
  }
}
