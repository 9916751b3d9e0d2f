import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** The line to a temporary Postgres, which can go dead without a word and be mended for new connections. */
export interface DatabaseLine {
  /** The connection string of the database over this line. */
  readonly url: string;
  /**
   * Whatever is open goes silent for good, and so does what is opened until `mend`.
   * @param after the last that still reaches the server is the next message with this text; its answer is lost
   */
  goSilent(after?: string): Promise<void>;
  mend(): void;
  close(): void;
}

/** @param direct the connection string of a temporary Postgres */
export async function openDatabaseLine(direct: string): Promise<DatabaseLine> {
  const { pathname, searchParams } = new URL(direct);
  const path = `${searchParams.get("host")}/.s.PGSQL.5432`;
  const open = new Set<{ silent: boolean; near: Socket }>();
  let isSilent = false;
  let last: { readonly text: string; readonly sent: () => void } | undefined;

  function silence(): void {
    isSilent = true;
    for (const one of open) one.silent = true;
  }

  const server = createServer((near) => {
    const far = connect(path);
    const one = { silent: isSilent, near };
    open.add(one);
    near.on("error", () => {});
    far.on("error", () => {});
    near.on("data", (chunk) => {
      if (one.silent) return;
      far.write(chunk);
      if (last === undefined || !chunk.includes(last.text)) return;
      silence();
      last.sent();
      last = undefined;
    });
    far.on("data", (chunk) => {
      if (!one.silent) near.write(chunk);
    });
    far.on("close", () => {
      if (!one.silent) near.destroy();
    });
    near.on("close", () => {
      far.destroy();
      open.delete(one);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return {
    url: `postgresql://postgres@127.0.0.1:${port}${pathname}`,
    goSilent: async (after) => {
      if (after === undefined) return silence();
      await new Promise<void>((resolve) => {
        last = { text: after, sent: resolve };
      });
    },
    mend: () => {
      isSilent = false;
    },
    close: () => {
      for (const { near } of open) near.destroy();
      server.close();
    },
  };
}
