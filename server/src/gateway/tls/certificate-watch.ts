import { type Certificate, type CertificateFiles, readCertificate, stateOfFiles } from "./certificate.ts";

const INTERVAL_MS = 2_000;

interface Listener {
  /** Another pair lies there, and it works. */
  renewed(certificate: Certificate): void;
  /** What lies there now cannot be used: one sentence for people, said once. */
  problem(sentence: string): void;
}

/** Looks at the certificate's files every two seconds and reads them again when they have changed. */
export class CertificateWatch {
  readonly #files: CertificateFiles;
  readonly #listener: Listener;
  readonly #timer: NodeJS.Timeout;
  /** The state that was read last, and the one that was seen last. */
  #read: string;
  #seen: string;

  private constructor(files: CertificateFiles, state: string, listener: Listener, intervalMs: number) {
    this.#files = files;
    this.#listener = listener;
    this.#read = state;
    this.#seen = state;
    this.#timer = setInterval(() => void this.#look(), intervalMs);
    this.#timer.unref();
  }

  static async start(
    files: CertificateFiles,
    listener: Listener,
    intervalMs = INTERVAL_MS,
  ): Promise<CertificateWatch> {
    return new CertificateWatch(files, await stateOfFiles(files), listener, intervalMs);
  }

  async #look(): Promise<void> {
    const state = await stateOfFiles(this.#files);
    // The two files are written one after the other: they are read once they have stood still for one interval.
    const settled = state === this.#seen;
    this.#seen = state;
    if (!settled || state === this.#read) return;
    this.#read = state;
    try {
      this.#listener.renewed(await readCertificate(this.#files));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#listener.problem(`${reason} The certificate of before stays in use.`);
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
