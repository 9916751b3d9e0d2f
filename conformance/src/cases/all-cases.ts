import type { ConformanceCase } from "../conformance-case.ts";
import { authenticationCases } from "./authentication.ts";
import { bodyLengthCases } from "./body-length.ts";
import { chunkCases } from "./chunks.ts";
import { connectCases } from "./connect.ts";
import { fieldSyntaxCases } from "./field-syntax.ts";
import { forwardedMessageCases } from "./forwarded-message.ts";
import { hopByHopCases } from "./hop-by-hop.ts";
import { hostCases } from "./host.ts";
import { interimCases } from "./interim.ts";
import { limitCases } from "./limits.ts";
import { maxForwardsCases } from "./max-forwards.ts";
import { persistenceCases } from "./persistence.ts";
import { refusalCases } from "./refusals.ts";
import { requestLineCases } from "./request-line.ts";
import { requestTargetCases } from "./request-target.ts";
import { responseCases } from "./responses.ts";
import { socks5Cases } from "./socks5.ts";
import { socks5UdpCases } from "./socks5-udp.ts";

/** Every case, in the order in which the table has them. */
export const allCases: readonly ConformanceCase[] = [
  ...requestLineCases,
  ...requestTargetCases,
  ...hostCases,
  ...fieldSyntaxCases,
  ...bodyLengthCases,
  ...chunkCases,
  ...hopByHopCases,
  ...forwardedMessageCases,
  ...interimCases,
  ...responseCases,
  ...persistenceCases,
  ...maxForwardsCases,
  ...authenticationCases,
  ...connectCases,
  ...socks5Cases,
  ...socks5UdpCases,
  ...refusalCases,
  ...limitCases,
];
