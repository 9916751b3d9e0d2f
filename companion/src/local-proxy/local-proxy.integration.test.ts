import { DIRECT, routeId } from "@atlantic/shared/routing/route.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type EchoSite, startByteSite, startEchoSite } from "../testing/echo-site.ts";
import { type ExitProxy, startExitProxy } from "../testing/exit-proxy.ts";
import { ProxyConnection } from "../testing/proxy-connection.ts";
import { exitRoute, TestBrowser, tabAttribution } from "../testing/test-browser.ts";
import { startTestCompanion, type TestCompanion } from "../testing/test-companion.ts";

const US = exitRoute("us");
const DE = exitRoute("de");

let bytes: Awaited<ReturnType<typeof startByteSite>>;
let echo: EchoSite;
let exits: ExitProxy;
let companion: TestCompanion;
let browser: TestBrowser;

beforeEach(async () => {
  bytes = await startByteSite();
  echo = await startEchoSite();
  exits = await startExitProxy({ "site.test:443": bytes.port, "plain.test:80": echo.port });
  companion = await startTestCompanion(exits.port, {
    hosts: { "site.test:443": `127.0.0.1:${bytes.port}`, "plain.test:80": `127.0.0.1:${echo.port}` },
  });
  browser = await TestBrowser.open(companion.controlSocket);
});

afterEach(async () => {
  await browser.control.close();
  await companion.close();
  exits.close();
  bytes.close();
  echo.close();
});

const open = () => ProxyConnection.open(companion.proxyPort);

/** A tunnel of a tab, by one challenge and its answer; and the address that the site saw. */
async function tunnelOf(tabId: number, site: string, route = US) {
  browser.requestStarted("site.test", 443, { tabId });
  const connection = await open();
  const challenged = await connection.connect("site.test:443");
  const answer = await connection.connect(
    "site.test:443",
    browser.credential(tabAttribution(tabId, site, route), challenged?.nonce),
  );
  return {
    connection,
    challenged,
    answer,
    address: answer?.status === 200 ? await connection.line() : undefined,
  };
}

describe("attribution by 407", () => {
  test("one challenge on the same connection, then the tab's own exit", async () => {
    await browser.attributed([
      { tabId: 1, site: "a.test", route: US },
      { tabId: 2, site: "b.test", route: DE },
    ]);
    const first = await tunnelOf(1, "a.test", US);
    expect(first.challenged).toMatchObject({ status: 407, headers: { "content-length": "0" } });
    expect(first.address).toMatch(/^127\.1\.1\./);
    const second = await tunnelOf(2, "b.test", DE);
    expect(second.address).toMatch(/^127\.1\.2\./);
  });

  test("a nonce is worth nothing on another connection, nor a second time, and the answer is a new realm", async () => {
    await browser.attributed([
      { tabId: 1, site: "a.test", route: US },
      { tabId: 2, site: "b.test", route: DE },
    ]);
    browser.requestStarted("site.test", 443);
    const [one, other] = [await open(), await open()];
    const issued = await one.connect("site.test:443");
    const credential = browser.credential(tabAttribution(1, "a.test", US), issued?.nonce);
    const foreign = await other.connect("site.test:443", credential);
    expect(foreign?.status).toBe(407);
    expect(foreign?.nonce).not.toBe(issued?.nonce);
    expect((await one.connect("site.test:443", credential))?.status).toBe(200);
    const again = await other.connect("site.test:443", credential);
    expect(again?.status).toBe(407);
    expect(new Set([issued?.nonce, foreign?.nonce, again?.nonce]).size).toBe(3);
    const right = browser.credential(tabAttribution(2, "b.test", DE), again?.nonce);
    expect((await other.connect("site.test:443", right))?.status).toBe(200);
    expect(await other.line()).toMatch(/^127\.1\.2\./);
  });

  test("a nonce that was issued for one target does not open another", async () => {
    await browser.attributed([{ tabId: 1, site: "a.test", route: US }]);
    browser.requestStarted("site.test", 443);
    browser.requestStarted("other.test", 443);
    const connection = await open();
    const issued = await connection.connect("other.test:443");
    const credential = browser.credential(tabAttribution(1, "a.test", US), issued?.nonce);
    expect((await connection.connect("site.test:443", credential))?.status).toBe(407);
  });

  test("without a request that the browser told of, the connection is closed and nobody is asked for a password", async () => {
    await browser.attributed([{ tabId: 1, site: "a.test", route: US }]);
    const connection = await open();
    expect(await connection.connect("site.test:443")).toBeUndefined();
  });

  test("the notice may come after the request for the tunnel", async () => {
    await browser.attributed([{ tabId: 1, site: "a.test", route: US }]);
    const connection = await open();
    const answer = connection.connect("site.test:443");
    browser.requestStarted("site.test", 443);
    expect((await answer)?.status).toBe(407);
  });

  test("the connection waits for the notice as long as the browser has not said that it told everything", async () => {
    await browser.attributed([{ tabId: 1, site: "a.test", route: US }]);
    const asked = Promise.withResolvers<void>();
    const told = Promise.withResolvers<void>();
    browser.control.onAsk = async () => {
      asked.resolve();
      await told.promise;
      return {};
    };
    const answer = (await open()).connect("site.test:443");
    await asked.promise;
    browser.requestStarted("site.test", 443);
    told.resolve();
    expect((await answer)?.status).toBe(407);
  });

  test("a settled request opens the gate for nobody", async () => {
    await browser.attributed([{ tabId: 1, site: "a.test", route: US }]);
    const requestId = browser.requestStarted("site.test", 443);
    browser.control.tell("request.settled", { requestId });
    expect(await (await open()).connect("site.test:443")).toBeUndefined();
  });

  test("a credential whose route is not the tab's is asked again, and so is one of an unknown tab", async () => {
    await browser.attributed([
      { tabId: 1, site: "a.test", route: US },
      { tabId: 2, site: "b.test", route: DE },
    ]);
    expect((await tunnelOf(1, "a.test", DE)).answer?.status).toBe(407);
    expect((await tunnelOf(7, "a.test", US)).answer?.status).toBe(407);
  });

  test("an answer that comes before its plan is accepted when the plan arrives", async () => {
    await browser.attributed([{ tabId: 1, site: "a.test", route: US }]);
    browser.requestStarted("site.test", 443, { tabId: 2 });
    const connection = await open();
    const issued = await connection.connect("site.test:443");
    const credential = browser.credential(tabAttribution(2, "b.test", DE), issued?.nonce);
    const answer = connection.connect("site.test:443", credential);
    await browser.attributed([
      { tabId: 1, site: "a.test", route: US },
      { tabId: 2, site: "b.test", route: DE },
    ]);
    expect((await answer)?.status).toBe(200);
    expect(await connection.line()).toMatch(/^127\.1\.2\./);
  });

  test("an answer waits for its plan as long as the browser has not said that it told everything", async () => {
    await browser.attributed([{ tabId: 1, site: "a.test", route: US }]);
    browser.requestStarted("site.test", 443, { tabId: 2 });
    const connection = await open();
    const issued = await connection.connect("site.test:443");
    const asked = Promise.withResolvers<void>();
    const told = Promise.withResolvers<void>();
    browser.control.onAsk = async () => {
      asked.resolve();
      await told.promise;
      return {};
    };
    const credential = browser.credential(tabAttribution(2, "b.test", DE), issued?.nonce);
    const answer = connection.connect("site.test:443", credential);
    await asked.promise;
    await browser.attributed([
      { tabId: 1, site: "a.test", route: US },
      { tabId: 2, site: "b.test", route: DE },
    ]);
    told.resolve();
    expect((await answer)?.status).toBe(200);
  });

  test("a worker goes where its site goes, and nowhere while the site has two routes", async () => {
    const worker = { kind: "worker", site: "a.test", routeId: routeId(US) } as const;
    await browser.attributed([
      { tabId: 1, site: "a.test", route: US },
      { tabId: 2, site: "b.test", route: DE },
    ]);
    browser.requestStarted("site.test", 443, { tabId: -1 });
    const connection = await open();
    const issued = await connection.connect("site.test:443");
    expect(
      (await connection.connect("site.test:443", browser.credential(worker, issued?.nonce)))?.status,
    ).toBe(200);
    await browser.attributed(
      [
        { tabId: 1, site: "a.test", route: US },
        { tabId: 3, site: "a.test", route: DE },
      ],
      { perRequest: true },
    );
    const second = await open();
    const next = await second.connect("site.test:443");
    expect((await second.connect("site.test:443", browser.credential(worker, next?.nonce)))?.status).toBe(
      407,
    );
  });

  test("a pooled tunnel at a site with two routes is not accepted, one of its own is", async () => {
    await browser.attributed([
      { tabId: 1, site: "a.test", route: US },
      { tabId: 3, site: "a.test", route: DE },
    ]);
    expect((await tunnelOf(1, "a.test", US)).answer?.status).toBe(407);
    browser.requestStarted("site.test", 443);
    const connection = await open();
    const issued = await connection.connect("site.test:443");
    const own = { ...tabAttribution(3, "a.test", DE), own: true } as const;
    expect((await connection.connect("site.test:443", browser.credential(own, issued?.nonce)))?.status).toBe(
      200,
    );
  });

  test("a browser that turns in a circle is cut off", async () => {
    await browser.attributed([{ tabId: 1, site: "a.test", route: US }]);
    browser.requestStarted("site.test", 443);
    const connection = await open();
    let answer = await connection.connect("site.test:443");
    let rounds = 1;
    while (answer?.status === 407 && rounds < 50) {
      answer = await connection.connect("site.test:443", "Basic bm9ib2R5Om5vYm9keQ==");
      rounds += 1;
    }
    expect(answer).toBeUndefined();
    expect(rounds).toBeLessThan(12);
  });
});

describe("a steady plan", () => {
  const steady = { kind: "steady", routeId: routeId(US) } as const;

  test("one challenge, and then the same answer opens every tunnel without another", async () => {
    await browser.steady(US);
    browser.requestStarted("site.test", 443);
    const first = await open();
    expect((await first.connect("site.test:443"))?.realm).toBe("Atlantic");
    const credential = browser.credential(steady);
    expect((await first.connect("site.test:443", credential))?.status).toBe(200);
    for (let round = 0; round < 3; round += 1) {
      const next = await open();
      expect((await next.connect("site.test:443", credential))?.status).toBe(200);
      expect(await next.line()).toMatch(/^127\.1\.1\./);
    }
  });

  test("its answer is worth nothing once the plan is attributed or has another route", async () => {
    await browser.steady(US);
    browser.requestStarted("site.test", 443);
    const credential = browser.credential(steady);
    await browser.steady(DE);
    expect((await (await open()).connect("site.test:443", credential))?.status).toBe(407);
    await browser.attributed([{ tabId: 1, site: "a.test", route: US }]);
    expect((await (await open()).connect("site.test:443", credential))?.nonce).toBeDefined();
  });
});

describe("changes of the plan", () => {
  test("close the tunnels of a tab whose route changed, and no others", async () => {
    await browser.attributed([
      { tabId: 1, site: "a.test", route: US },
      { tabId: 2, site: "b.test", route: DE },
    ]);
    const one = await tunnelOf(1, "a.test", US);
    const two = await tunnelOf(2, "b.test", DE);
    const { closedTunnels } = await browser.attributed([
      { tabId: 1, site: "a.test", route: DIRECT },
      { tabId: 2, site: "b.test", route: DE },
    ]);
    expect(closedTunnels).toBe(1);
    await one.connection.ended();
    two.connection.socket.write("still here\n");
    expect(await two.connection.line()).toBe("still here");
  });

  test("close pooled tunnels at a site that no tab shows any more", async () => {
    await browser.attributed([
      { tabId: 1, site: "a.test", route: US },
      { tabId: 2, site: "b.test", route: DE },
    ]);
    const requestId = browser.requestStarted("site.test", 443);
    const { connection } = await tunnelOf(1, "a.test", US);
    const moved = [
      { tabId: 1, site: "c.test", route: US },
      { tabId: 2, site: "b.test", route: DE },
    ];
    // While the page's own requests are under way, the plan may be behind the page.
    expect((await browser.attributed(moved)).closedTunnels).toBe(0);
    for (const id of [requestId, `${Number(requestId) + 1}`]) {
      browser.control.tell("request.settled", { requestId: id });
    }
    expect((await browser.attributed(moved)).closedTunnels).toBe(1);
    await connection.ended();
  });

  test("close steady tunnels unless the new plan is steady on the same route", async () => {
    await browser.steady(US);
    browser.requestStarted("site.test", 443);
    const credential = browser.credential({ kind: "steady", routeId: routeId(US) });
    const connection = await open();
    await connection.connect("site.test:443", credential);
    expect((await browser.steady(US)).closedTunnels).toBe(0);
    expect((await browser.attributed([{ tabId: 1, site: "a.test", route: US }])).closedTunnels).toBe(1);
    await connection.ended();
  });

  test("stop a tunnel that is still being dialled", async () => {
    exits.close();
    await browser.attributed([{ tabId: 1, site: "a.test", route: DIRECT }]);
    const { connection } = await tunnelOf(1, "a.test", DIRECT);
    await browser.attributed([{ tabId: 1, site: "a.test", route: US }]);
    await connection.ended();
  });
});

describe("a rotated session", () => {
  test("closes the route's tunnels, in every browser, and the next ones have another session", async () => {
    await browser.attributed([
      { tabId: 1, site: "a.test", route: US },
      { tabId: 2, site: "b.test", route: DE },
    ]);
    const [us, de] = [await tunnelOf(1, "a.test", US), await tunnelOf(2, "b.test", DE)];
    await browser.control.ask("session.rotate", { routeId: routeId(US) });
    await us.connection.ended();
    de.connection.socket.write("still here\n");
    expect(await de.connection.line()).toBe("still here");
    await tunnelOf(1, "a.test", US);
    const sessions = exits.logins
      .filter((login) => login.includes("-cc-us-"))
      .map((login) => login.split("-sid-")[1]);
    expect(new Set(sessions).size).toBe(2);
  });

  test("is refused for a route that nobody uses", async () => {
    await browser.steady(US);
    await expect(browser.control.ask("session.rotate", { routeId: routeId(DE) })).rejects.toMatchObject({
      code: "not_found",
    });
  });
});

describe("nothing goes out that should not", () => {
  test("a browser that is gone: its tunnels close and its secret opens nothing", async () => {
    await browser.steady(US);
    browser.requestStarted("site.test", 443);
    const credential = browser.credential({ kind: "steady", routeId: routeId(US) });
    const connection = await open();
    expect((await connection.connect("site.test:443", credential))?.status).toBe(200);
    await browser.control.close();
    await connection.ended();
    expect(await (await open()).connect("site.test:443", credential)).toBeUndefined();
  });

  test("a browser without a plan gets nothing, whatever it shows", async () => {
    const planless = await TestBrowser.open(companion.controlSocket);
    planless.requestStarted("site.test", 443);
    const steady = planless.credential({ kind: "steady", routeId: routeId(US) });
    expect(await (await open()).connect("site.test:443", steady)).toBeUndefined();
    expect(exits.logins).toEqual([]);
    await planless.control.close();
  });

  test("an unreachable exit is an error, never a direct connection", async () => {
    exits.close();
    await browser.attributed([{ tabId: 1, site: "a.test", route: US }]);
    const { answer } = await tunnelOf(1, "a.test", US);
    expect(answer?.status).toBe(502);
    expect(bytes.received).toEqual([]);
  });

  test("an upstream that asks for a password is never passed on as 407", async () => {
    exits.refuseWith = 407;
    await browser.attributed([{ tabId: 1, site: "a.test", route: US }]);
    const { answer } = await tunnelOf(1, "a.test", US);
    expect(answer?.status).toBe(502);
  });

  test("a refused client's socket is given back, also when it sent a tunnel's first bytes early", async () => {
    await browser.attributed([{ tabId: 1, site: "a.test", route: { kind: "block" } }]);
    const open = () => process.getActiveResourcesInfo().filter((kind) => kind === "TCPSocketWrap").length;
    const before = open();
    for (let count = 0; count < 5; count++) {
      browser.requestStarted("a.test", 443);
      const connection = await ProxyConnection.open(companion.proxyPort);
      const issued = await connection.connect("a.test:443");
      const login = browser.credential(tabAttribution(1, "a.test", { kind: "block" }), issued?.nonce);
      connection.socket.write(
        `CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\nProxy-Authorization: ${login}\r\n\r\nearly`,
      );
      expect((await connection.answer())?.status).toBe(403);
      connection.socket.end();
    }
    await expect.poll(open).toBe(before);
  });

  test("a blocked route is refused", async () => {
    await browser.attributed([{ tabId: 1, site: "a.test", route: { kind: "block" } }]);
    const { answer } = await tunnelOf(1, "a.test", { kind: "block" });
    expect(answer?.status).toBe(403);
  });
});
