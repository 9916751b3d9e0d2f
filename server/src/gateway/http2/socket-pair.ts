import { resetByPeer, VirtualSocket } from "./virtual-socket.ts";

/** One end of a connection within this process: what is written at one end is read at the other. */
class PairedSocket extends VirtualSocket {
  #peer: PairedSocket | undefined;
  #waiting: (() => void) | undefined;

  join(peer: PairedSocket): void {
    this.#peer = peer;
  }

  override _read(): void {
    const peer = this.#peer;
    peer?.goOn();
  }

  /** The other end has room again. */
  goOn(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.();
  }

  protected writeOn(bytes: Buffer, done: (error?: Error | null) => void): void {
    const peer = this.#peer;
    if (peer === undefined || peer.destroyed) done(resetByPeer());
    else if (peer.deliver(bytes)) done();
    else this.#waiting = done;
  }

  protected endOn(done: () => void): void {
    this.#peer?.push(null);
    done();
  }

  protected closeOn(): void {
    const peer = this.#peer;
    this.#peer = undefined;
    this.#waiting = undefined;
    if (peer === undefined || peer.destroyed) return;
    if (this.wasReset) peer.destroy(resetByPeer());
    else if (!this.writableFinished) peer.push(null);
  }
}

/** Two connected sockets without a network between them. */
export function socketPair(): [VirtualSocket, VirtualSocket] {
  const near = new PairedSocket();
  const far = new PairedSocket();
  near.join(far);
  far.join(near);
  return [near, far];
}
