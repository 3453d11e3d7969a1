import assert from "node:assert/strict";
import { launch } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";

// What a page may ask for when the server is of its own site, as a browser believes after DNS rebinding.
const REQUESTS = [
  ["POST", "/api/v1/import", "stolen/a 1\n"],
  ["GET", "/api/v1/query_range?query=demo/a&start=-1h"],
  ["GET", "/api/v1/ui/engine"],
  ["GET", "/api/v1/ui/catalog"],
  ["GET", "/api/v1/ui/stream?s=demo/a"],
  ["GET", "/api/dashboard-config"],
  ["GET", "/metrics"],
];

/** The statuses that a page of `http://name` gets. It is the refusal itself: of its own site, as a page that was there before the name moved. */
async function asked(browser, server, name) {
  const address = `http://${name}:${server.port}`;
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(`${address}/health`);
    return await page.evaluate(async (requests) => {
      const statuses = [];
      for (const [method, path, body] of requests) {
        const stop = new AbortController(); // a stream has no end
        statuses.push((await fetch(path, { method, body, signal: stop.signal })).status);
        stop.abort();
      }
      return statuses;
    }, REQUESTS);
  } finally {
    await context.close();
  }
}

journey("a page that points its own name at the server reads and writes nothing", async ({ server }) => {
  await server.import(["demo/a 1"]);
  const browser = await launch(["--host-resolver-rules=MAP * 127.0.0.1"]);
  try {
    assert.deepEqual(await asked(browser, server, "evil.test"), REQUESTS.map(() => 403));
    const databases = async () => (await (await fetch(`${server.url}/api/v1/databases`)).json()).data.result;
    assert.deepEqual(await databases(), ["demo"]);
    // The same page under a name that nobody can register: so it is the name that is refused.
    assert.deepEqual(await asked(browser, server, "box"), REQUESTS.map(() => 200));
    assert.deepEqual(await databases(), ["demo", "stolen"]);
  } finally {
    await browser.close();
  }
});
