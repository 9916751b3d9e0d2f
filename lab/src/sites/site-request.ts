import { z } from "zod";

/** A request as a site saw it. */
const siteRequestSchema = z.object({
  /** The address that the request came from: the exit's, when it came through one. */
  address: z.string(),
  host: z.string(),
  method: z.string(),
  path: z.string(),
  protocol: z.enum(["http/1.1", "h2", "websocket"]),
  secure: z.boolean(),
  /** Names of the header fields, in lower case: to see what a proxy let through. */
  headers: z.array(z.string()),
});
export type SiteRequest = z.infer<typeof siteRequestSchema>;

/** One line of the site program's output. */
export function siteRequestLine(request: SiteRequest): string {
  return JSON.stringify(request);
}

/** Reads a line that `siteRequestLine` wrote. Throws a ZodError or SyntaxError for any other. */
export function parseSiteRequest(line: string): SiteRequest {
  return siteRequestSchema.parse(JSON.parse(line));
}
