import type { Socket } from "node:net";
import { ProxyError } from "@atlantic/shared/errors.ts";
import {
  type CarryParts,
  carryTunnel,
  connectAnswers,
  type TunnelAnswers,
} from "../local-proxy/connect-handler.ts";
import { absoluteUrl, forwardPlain, targetOf } from "../local-proxy/forward-plain.ts";
import { HandshakeReader } from "../local-proxy/handshake-reader.ts";
import { HeldSocket } from "../local-proxy/held-socket.ts";
import type { MakeDoors } from "../local-proxy/local-proxy.ts";
import type { FlowOwner, Target } from "../local-proxy/open-flows.ts";
import { refuse } from "../local-proxy/refusal-page.ts";
import { socksAnswers } from "../local-proxy/socks-handler.ts";
import { NO_LOGIN, readGreeting, readRequest } from "../local-proxy/socks-handshake.ts";
import { isLocalTarget } from "./local-target.ts";

const NOT_LOCAL =
  "This address is of this computer or its network. The desktop's proxy leads to an exit elsewhere, and only there.";

/**
 * The doors of the proxy that any program of this machine may use: nobody is asked who they are, everybody leaves by
 * one exit, and nobody reaches this machine or its network by it.
 */
export function programDoors(parts: CarryParts, owner: () => FlowOwner): MakeDoors {
  const carry = async (held: HeldSocket, target: Target, answers: TunnelAnswers): Promise<void> => {
    if (isLocalTarget(target.host)) answers.refused(held.release(), new ProxyError("forbidden_address"));
    else await carryTunnel(parts, held, target, owner(), answers);
  };
  return () => ({
    connect: (socket, head, target) => carry(new HeldSocket(socket, head), target, connectAnswers),
    async plain(request, response) {
      const url = absoluteUrl(request.url);
      // A page that found this port, by a name that it made lead here, asks as of a site, and gets nothing.
      if (!url) return refuse(response, 400, "Nothing to see here", "This is a proxy, and has no pages.");
      if (isLocalTarget(targetOf(url).host)) return refuse(response, 403, "Not sent", NOT_LOCAL);
      await parts.names.prepareForRequests();
      if (response.closed) return;
      forwardPlain(parts, request, response, url, owner());
    },
    socks: (socket: Socket) => openSocks(socket, carry),
  });
}

/** SOCKS5 without a login (RFC 1928). */
async function openSocks(
  socket: Socket,
  carry: (held: HeldSocket, target: Target, answers: TunnelAnswers) => Promise<void>,
): Promise<void> {
  const reader = new HandshakeReader(socket);
  if ((await reader.next((bytes) => readGreeting(bytes, NO_LOGIN))) === undefined) return;
  socket.write(Buffer.from([0x05, NO_LOGIN]));
  const target = await reader.next(readRequest);
  if (target === undefined) return;
  await carry(new HeldSocket(...reader.release()), target, socksAnswers);
}
