import { type Browser, type BrowserContext, chromium, type Locator, type Page } from "playwright-core";

/** Debian's Chromium, as every test of the page uses it. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
}

/** A page in a context of its own, with what it complains about. */
export async function openPage(context: BrowserContext): Promise<{ page: Page; complaints: string[] }> {
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    // Chromium itself reports each answer of 400 and above; the page shows those to the person.
    const itsOwn = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !itsOwn) complaints.push(message.text());
  });
  return { page, complaints };
}

/** Somebody new, whose email was never used before. */
export function newcomer() {
  const email = `${crypto.randomUUID()}@example.org`;
  return { name: "Ada Example", email, password: "a sentence is a good password" };
}

/** Opens an account by hand and waits for the dashboard. */
export async function signUp(page: Page, webUrl: string, person = newcomer()) {
  await page.goto(new URL("/sign-up", webUrl).href);
  await page.getByLabel("Name").fill(person.name);
  await page.getByLabel("Email").fill(person.email);
  await page.getByLabel("Password").fill(person.password);
  await page.getByRole("button", { name: "Open the account" }).click();
  await page.getByRole("heading", { name: "Dashboard" }).waitFor();
  return person;
}

/** Signs in by hand on the given page and waits until it has led on. */
export async function signIn(
  page: Page,
  url: string,
  person: { email: string; password: string },
): Promise<void> {
  await page.goto(url);
  await page.getByLabel("Email").fill(person.email);
  await page.getByLabel("Password").fill(person.password);
  await submitUntilLetIn(page);
}

/** Presses Enter in the password field, again when the server says that there were too many attempts. */
export function submitUntilLetIn(page: Page): Promise<void> {
  return submitUntil(page, page.getByRole("navigation", { name: "Pages" }));
}

/** The same until another answer is shown. */
export async function submitUntil(page: Page, answer: Locator): Promise<void> {
  const limited = page.getByText("Too many attempts.");
  do {
    await page.getByLabel("Password").press("Enter");
    await page.getByRole("button", { name: "Sign in", disabled: false }).or(answer).first().waitFor();
    await limited.or(answer).first().waitFor();
  } while (await limited.isVisible());
}
