/** `npm run e2e:tabs`: the extension's own proof, started from here so that every command has its file in one place. */
await import(new URL("../extension/e2e/tabs/main.ts", import.meta.url).href);
