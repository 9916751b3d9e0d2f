/** Reads a subscription's messages (server-sent events) until the signal or the server ends it. */
export async function* readEvents(
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): AsyncGenerator<unknown> {
  const response = await fetch(url, { headers: { ...headers, accept: "text/event-stream" }, signal });
  if (!response.ok || response.body === null) throw new Error(`no subscription: ${response.status}`);
  let text = "";
  try {
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) {
        // Only messages have no event name; the others are the protocol's own (connected, ping).
        const data = /^data: ?(.*)$/m.exec(block)?.[1];
        if (data !== undefined && !/^event:/m.test(block)) yield JSON.parse(data);
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
