import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RunningServer, startServer } from "./running-server.ts";
import { askThrough, openTunnel, runSocks5Line } from "./through-gateway.ts";
import { openBrowser, openPage, signIn, signUp, submitUntil, submitUntilLetIn } from "./web-browser.ts";

/** The first account, once its owner has set a password. */
const OWNER = { email: "owner@atlantic.local", password: "the owner's own sentence" };

let server: RunningServer;
let browser: Browser;
let person: Awaited<ReturnType<typeof signUp>>;
let signedIn: Awaited<ReturnType<BrowserContext["storageState"]>>;

beforeAll(async () => {
  [server, browser] = await Promise.all([startServer(), openBrowser()]);
  const context = await browser.newContext();
  const { page } = await openPage(context);
  person = await signUp(page, server.webUrl);
  signedIn = await context.storageState();
  await context.close();
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

async function withPage(options: { signedIn: boolean }, drive: (page: Page) => Promise<void>): Promise<void> {
  const context = await browser.newContext(options.signedIn ? { storageState: signedIn } : {});
  const { page, complaints } = await openPage(context);
  await drive(page);
  expect(complaints).toEqual([]);
  await context.close();
}

async function createCredential(page: Page, label: string) {
  await page.goto(`${server.webUrl}/credentials`);
  await page.getByLabel("What it is for").fill(label);
  await page.keyboard.press("Enter");
  const issued = page.getByTestId("issued");
  const read = async (name: string) =>
    (await issued.getByRole("region", { name, exact: true }).textContent()) ?? "";
  return {
    username: await read("User name"),
    password: await read("Password"),
    socks5: await read("curl through SOCKS5"),
  };
}

function echoHost(): string {
  if (!server.demonstration) throw new Error("the demonstration is off");
  return server.demonstration.echoHost;
}

function exactBytes(page: Page) {
  return page.locator("dl data");
}

describe("from a new account to its bytes", () => {
  it("shows on the open dashboard, live, exactly the bytes that the clients counted", () =>
    withPage({ signedIn: true }, async (page) => {
      const credential = await createCredential(page, "Price checker");
      await page.getByRole("link", { name: "Dashboard" }).click();
      expect(await exactBytes(page).getAttribute("value")).toBe("0");

      const bySocks5 = await runSocks5Line(credential.socks5, `http://${echoHost()}/`);
      const gateway = { host: server.gatewayHost, port: server.gatewayPort };
      const login = `${credential.username}-cc-de:${credential.password}`;
      const byConnect = await askThrough(await openTunnel(gateway, login, `${echoHost()}:80`), echoHost());

      const sent = bySocks5.sent + byConnect.sent;
      const received = bySocks5.received + byConnect.received;
      await page.locator(`dl data[value="${sent + received}"]`).waitFor();
      const count = new Intl.NumberFormat("en-US");
      await page.getByText(`${count.format(received)} received, ${count.format(sent)} sent`).waitFor();
      await page.getByRole("listitem").filter({ hasText: "Germany" }).getByText("demonstration").waitFor();
    }));

  it("lists an open connection while it lasts, and ends it when asked", () =>
    withPage({ signedIn: true }, async (page) => {
      const { username, password } = await createCredential(page, "Held open");
      await page.getByRole("link", { name: "Dashboard" }).click();
      await page.getByText("Nothing is connected now").waitFor();
      const gateway = { host: server.gatewayHost, port: server.gatewayPort };
      const tunnel = await openTunnel(gateway, `${username}-cc-jp:${password}`, `${echoHost()}:80`);
      const gone = new Promise((resolve) => tunnel.on("close", resolve).on("error", () => {}));
      await page.getByText("1 connection open").waitFor();
      const row = page.getByRole("row").filter({ hasText: "Held open" });
      await row.getByText("Tokyo").waitFor();
      await row.getByRole("button", { name: /^End the connection/ }).click();
      await gone;
      await page.getByText("No connection open").waitFor();
      await page.getByText("Nothing is connected now").waitFor();
    }));
});

describe("credentials", () => {
  it("shows a password once: not after going away, and not in the list", () =>
    withPage({ signedIn: true }, async (page) => {
      const { password } = await createCredential(page, "Shown once");
      await page.getByRole("link", { name: "Dashboard" }).click();
      await page.getByRole("link", { name: "Credentials" }).click();
      await page.getByRole("cell", { name: "Shown once", exact: true }).waitFor();
      expect(await page.content()).not.toContain(password);
    }));

  it("rotates and revokes after asking, by keyboard, and the gateway follows at once", () =>
    withPage({ signedIn: true }, async (page) => {
      const first = await createCredential(page, "Comes and goes");
      await page.getByRole("button", { name: "I have copied it" }).click();
      const gateway = { host: server.gatewayHost, port: server.gatewayPort };
      const open = (password: string) =>
        openTunnel(gateway, `${first.username}:${password}`, `${echoHost()}:80`);

      const rotate = page.getByRole("button", { name: "Rotate Comes and goes" });
      await rotate.focus();
      await page.keyboard.press("Enter");
      await page.getByRole("dialog").waitFor();
      await page.keyboard.press("Escape");
      await page.getByRole("dialog").waitFor({ state: "detached" });
      expect(await rotate.evaluate((button) => button === document.activeElement)).toBe(true);

      await page.keyboard.press("Enter");
      await page.getByRole("dialog").getByRole("button", { name: "Rotate" }).click();
      await page.getByText("The old password has stopped working.").waitFor();
      const second = await page.getByTestId("issued").getByRole("region", { name: "Password" }).textContent();
      await expect(open(first.password)).rejects.toThrow("407");
      (await open(second ?? "")).destroy();

      await page.getByRole("button", { name: "Revoke Comes and goes" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
      await page
        .getByRole("row")
        .filter({ hasText: "Comes and goes" })
        .getByText(/^revoked/)
        .waitFor();
      await expect(open(second ?? "")).rejects.toThrow("407");
    }));
});

describe("exits", () => {
  it("finds an exit by typing and says which user name chooses it", () =>
    withPage({ signedIn: true }, async (page) => {
      await createCredential(page, "For exits");
      await page.getByRole("link", { name: "Exits", exact: true }).click();
      await page.getByLabel("Find an exit").fill("tokyo");
      await page.getByText("1 of 3 exits").waitFor();
      await page.getByText("demonstration", { exact: true }).waitFor();
      await page.getByRole("button", { name: "Use Tokyo, Japan" }).click();
      const shown = await page.getByRole("region", { name: "User name for this exit" }).textContent();
      expect(shown).toMatch(/^atl_[a-z0-9]{8}-cc-jp(-st-tokyo)?-city-tokyo$/);
      await page.getByLabel("Find an exit").fill("nowhere");
      await page.getByText("No exit matches “nowhere”").waitFor();
    }));
});

describe("signing in and out", () => {
  it("lets a one-time link in once, and a password that was set then everywhere", async () => {
    const link = server.signInUrl ?? "";
    await withPage({ signedIn: false }, async (page) => {
      await page.goto(link);
      await page.getByRole("heading", { name: "Dashboard" }).waitFor();
      expect(page.url()).toBe(`${server.webUrl}/`);
      await page.goBack();
      expect(page.url()).not.toContain("#");
      await page.goto(server.webUrl);
      await page.getByRole("link", { name: "Set a password" }).click();
      await page.getByLabel("New password").fill(OWNER.password);
      await page.keyboard.press("Enter");
      await page.getByRole("button", { name: "Change password" }).waitFor();
      await page.getByRole("link", { name: "Dashboard" }).click();
      await page.getByText("No connection open").waitFor();
      expect(await page.getByRole("link", { name: "Set a password" }).count()).toBe(0);
    });
    await withPage({ signedIn: false }, async (page) => {
      await page.goto(link);
      await page.getByText("This sign-in link was used already").waitFor();
      expect(page.url()).toBe(`${server.webUrl}/sign-in/once`);
      await page.getByRole("link", { name: "sign in with it" }).click();
      await signIn(page, page.url(), OWNER);
      await page.getByText(OWNER.email).waitFor();
    });
  });

  it("changes the password for who knows it, and signs out everywhere else", async () => {
    const other = await browser.newContext();
    const { page: elsewhere } = await openPage(other);
    const somebody = await signUp(elsewhere, server.webUrl);
    await withPage({ signedIn: false }, async (page) => {
      await signIn(page, `${server.webUrl}/sign-in?next=/account`, somebody);
      const change = async (from: string) => {
        await page.getByLabel("Current password").fill(from);
        await page.getByLabel("New password").fill("quite another sentence");
        await page.getByRole("button", { name: "Change password" }).click();
      };
      await change("not the password at all");
      await page.getByText("That is not the password this account has.").waitFor();
      await change(somebody.password);
      await page.getByText("Changed. Sign in with it from now on.").waitFor();
      await elsewhere.getByRole("link", { name: "Exits", exact: true }).click();
      await elsewhere.getByText("Your session has ended. Sign in again to go on.").waitFor();
      await elsewhere.getByLabel("Email").fill(somebody.email);
      await elsewhere.getByLabel("Password").fill("quite another sentence");
      await submitUntilLetIn(elsewhere);
    });
    await other.close();
  });

  it("asks the stranger to sign in, by keyboard, and leads to the page that was wanted", () =>
    withPage({ signedIn: false }, async (page) => {
      await page.goto(`${server.webUrl}/exits`);
      await page.getByLabel("Email").focus();
      await page.keyboard.press("Enter");
      await page.getByText("Write your email, as in name@example.org.").waitFor();
      await page.keyboard.type(person.email);
      await page.keyboard.press("Tab");
      await page.keyboard.type("the wrong password");
      await submitUntil(page, page.getByText("The email or the password is wrong."));
      await page.getByLabel("Password").fill(person.password);
      await submitUntilLetIn(page);
      await page.getByRole("heading", { name: "Exits", exact: true, level: 1 }).waitFor();
    }));

  it("never leads to another site after signing in", () =>
    withPage({ signedIn: true }, async (page) => {
      await signIn(page, `${server.webUrl}/sign-in?next=//elsewhere.example/`, person);
      await page.getByRole("heading", { name: "Dashboard" }).waitFor();
      expect(new URL(page.url()).origin).toBe(server.webUrl);
    }));

  it("signs out here and everywhere else, and says so to who was signed in", async () => {
    const other = await browser.newContext({ storageState: signedIn });
    const { page: elsewhere } = await openPage(other);
    await elsewhere.goto(server.webUrl);
    await elsewhere.getByRole("heading", { name: "Dashboard" }).waitFor();
    await withPage({ signedIn: false }, async (page) => {
      await signIn(page, `${server.webUrl}/sign-in?next=/account`, person);
      await page.getByRole("button", { name: "Sign out everywhere else" }).click();
      await page.getByRole("button", { name: "Sign out everywhere else" }).waitFor({ state: "detached" });
      await elsewhere.getByRole("link", { name: "Exits", exact: true }).click();
      await elsewhere.getByText("Your session has ended. Sign in again to go on.").waitFor();
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
      await page.goto(server.webUrl);
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
    });
    await other.close();
  });
});
