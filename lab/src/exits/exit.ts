import type { NamespaceProcess } from "../net/namespace-process.ts";
import type { Role } from "../topology.ts";

/** How a gateway reaches an exit, and what sites see of it. */
export interface LabExit {
  readonly country: "us" | "de" | "jp";
  readonly role: Extract<Role, `exit-${string}`>;
  /** The program that it is. */
  readonly program: "squid" | "dante" | "our own";
  readonly protocol: "http" | "socks5";
  /** The address that sites see, and that the exit listens on. */
  readonly address: string;
  readonly port: number;
  /** Made up for each lab. */
  readonly username: string;
  readonly password: string;
}

/** An exit that runs. */
export interface RunningExit extends LabExit {
  readonly process: NamespaceProcess;
}

export interface ExitOptions {
  readonly namespace: string;
  /** A folder of this exit alone, for its configuration and its logs. */
  readonly folder: string;
  readonly username: string;
  readonly password: string;
}
