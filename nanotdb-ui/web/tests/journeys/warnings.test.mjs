import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";

journey("what a start has mended is told until somebody says that they have seen it", async ({ server, browser }) => {
  // Three batches of the log, and one wrong byte in the middle one, as a dying card leaves it.
  for (const value of [21, 22, 23]) await server.import([`home/room.temp ${value}`]);
  await server.import(["other/room.temp 21.5"]);
  await server.kill();
  const log = join(server.dir, "home", "home.wal");
  const bytes = readFileSync(log);
  bytes[Math.floor(bytes.length / 2)] ^= 0x10;
  writeFileSync(log, bytes);
  await server.run();
  const health = async () => (await fetch(`${server.url}/health`)).json();
  assert.deepEqual(await health(), { status: "ok", warnings: 1 });

  // The strip of every page counts it and leads to it.
  const { page, check } = await open(browser, `${server.url}/`);
  await page.locator("dl.strip").getByRole("link", { name: "1", exact: true }).click();
  const warnings = page.getByRole("region", { name: "Warnings" });
  await warnings.getByText(/home\.wal/).waitFor();
  assert.equal(await warnings.getByRole("listitem").count(), 1);

  // Of another database it is none; its own has it, where it can be acknowledged.
  await page.goto(`${server.url}/engine?db=other`);
  await page.getByRole("heading", { name: "other" }).first().waitFor();
  assert.equal(await warnings.count(), 0);
  await page.goto(`${server.url}/engine`);
  await warnings.getByRole("link", { name: "home" }).click();
  await warnings.getByText(/home\.wal/).waitFor();
  await warnings.getByRole("button", { name: "Acknowledge" }).click();
  await warnings.waitFor({ state: "detached" });
  assert.deepEqual(await health(), { status: "ok" });
  await page.goto(`${server.url}/engine`);
  await page.getByRole("group", { name: "Databases" }).waitFor();
  assert.equal(await warnings.count(), 0);
  await until("the strip counts none", async () => (await page.locator("dl.strip").getByRole("link", { name: "1", exact: true }).count()) === 0);
  check();
  // Also after the next start.
  await server.kill();
  await server.run();
  assert.deepEqual(await health(), { status: "ok" });
});
