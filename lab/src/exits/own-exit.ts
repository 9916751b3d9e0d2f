import { join } from "node:path";
import { NamespaceProcess } from "../net/namespace-process.ts";
import { nodeOf } from "../topology.ts";
import type { ExitOptions, RunningExit } from "./exit.ts";

const PORT = 7070;

/** Starts the exit in Japan: our own small proxy, HTTP forward, CONNECT and SOCKS5 on one port. */
export async function startOwnExit(options: ExitOptions): Promise<RunningExit> {
  const address = nodeOf("exit-jp").addresses[0];
  const { username, password } = options;
  const program = join(import.meta.dirname, "exit-program.ts");
  const process = new NamespaceProcess(
    options.namespace,
    [globalThis.process.execPath, program, address, String(PORT)],
    {
      // Not among the arguments, which every process of the machine can read.
      env: { LAB_EXIT_USERNAME: username, LAB_EXIT_PASSWORD: password },
    },
  );
  await process.listening(PORT);
  return {
    country: "jp",
    role: "exit-jp",
    program: "our own",
    protocol: "http",
    address,
    port: PORT,
    username,
    password,
    process,
  };
}
