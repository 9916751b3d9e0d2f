import { Server } from "proxy-chain";

/** proxy-chain as its README sets it up for Basic credentials: `node proxy-chain-program.ts PORT`. */
const { PEER_USERNAME = "", PEER_PASSWORD = "" } = process.env;
if (PEER_USERNAME === "" || PEER_PASSWORD === "")
  throw new Error("PEER_USERNAME and PEER_PASSWORD must be set.");
const server = new Server({
  host: "127.0.0.1",
  port: Number(process.argv[2]),
  prepareRequestFunction: ({ username, password }) => ({
    requestAuthentication: username !== PEER_USERNAME || password !== PEER_PASSWORD,
  }),
});
await server.listen();
