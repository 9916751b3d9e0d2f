import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** `npx vite build server/web` writes server/web/dist, which the server serves. */
export default defineConfig({
  plugins: [react(), tailwindcss()],
  build: {
    target: ["chrome126", "firefox140", "safari18"],
    // Data in the page instead of a file would need a wider Content-Security-Policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { "/api": "http://127.0.0.1:3000" },
  },
});
