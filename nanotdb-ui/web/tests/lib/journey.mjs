// A test with a server and a browser that are cleaned up whatever happens.
import test from "node:test";
import { launch } from "./browser.mjs";
import { Server } from "./nanotdb.mjs";

export function journey(name, run, { timeout = 240_000 } = {}) {
  test(name, { timeout }, async () => {
    const server = await Server.start();
    const browser = await launch();
    try {
      await run({ server, browser });
    } finally {
      await browser.close();
      await server.close();
    }
  });
}
