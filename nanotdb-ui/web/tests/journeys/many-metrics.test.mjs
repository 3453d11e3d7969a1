import assert from "node:assert/strict";
import { chartState, open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";

const PARTS = ["cpu_pct", "room.temp", "disk.used_bytes", "power.watts"];
const HUGE = 65_000;

const elements = (page) => page.evaluate(() => document.querySelectorAll("*").length);
const titles = (page) => page.locator(".chart-panel h2").allInnerTexts();

journey("65,000 metrics in a database: what is in sight is in the document, and no database presses the others away", async ({ server, browser }) => {
  const now = BigInt(Math.floor(Date.now() / 1000)) * 1_000_000_000n;
  const names = Array.from({ length: HUGE }, (_, i) => `a_huge/site${Math.floor(i / 80)}.node${i % 80}.${PARTS[i % 4]}`);
  for (let at = 0; at < names.length; at += 20_000) await server.import(names.slice(at, at + 20_000).map((name, i) => `${name} ${i % 90}.5 ${now}`));
  await server.import(["pi/cpu.busy_pct 12.5", "pi/room.temp 21.5", "nas/disk.sda.used_pct 71.5"]);
  const { page, check } = await open(browser, `${server.url}/`);
  await chartState(page);
  const first = await titles(page);
  assert.equal(first.length, 12);
  assert.equal(first.filter((title) => title.startsWith("a_huge")).length, 9);
  for (const title of ["pi · cpu.busy_pct", "pi · room.temp", "nas · disk.sda.used_pct"]) assert.ok(first.includes(title), `${title} in ${first}`);
  await page.getByRole("button", { name: /^12 more of .* charts of a_huge$/ }).click();
  await until("a step", async () => (await titles(page)).length === 24);
  // Search finds a chart that is far down, and what is not there is said.
  await page.getByRole("searchbox", { name: "Search charts" }).fill("site777 watts");
  await until("found", async () => (await titles(page)).join() === "a_huge · site777 · power");
  await page.getByRole("searchbox", { name: "Search charts" }).fill("no such thing");
  await page.getByText("No chart has these words.").waitFor();

  await page.goto(`${server.url}/explore`);
  const list = page.getByRole("region", { name: "Metrics" });
  await list.getByRole("button", { name: /^a_huge/ }).click();
  await list.getByRole("button", { name: /^site0 / }).waitFor();
  assert.ok((await elements(page)) < 800, `${await elements(page)} elements`);
  // The last of them is reached by scrolling.
  await list.evaluate((element) => (element.scrollTop = element.scrollHeight));
  await list.getByRole("button", { name: /^pi/ }).waitFor();
  assert.ok((await elements(page)) < 800, `${await elements(page)} elements`);
  const search = page.getByRole("searchbox", { name: "Search metrics" });
  await search.fill("site81 node3 temp");
  await list.getByText("a_huge/site812.node33.room.temp").waitFor();
  await search.press("Enter");
  await page.waitForURL(/m=a_huge%2Fsite81/);
  await search.fill("");
  await list.getByRole("button", { name: /^a_huge/ }).waitFor();
  assert.ok((await elements(page)) < 800, `${await elements(page)} elements`);

  await page.goto(`${server.url}/engine?db=a_huge`);
  const table = page.getByRole("group", { name: "Metrics", exact: true });
  await page.getByText("1 – 25 of 65\u202f000").waitFor();
  await page.getByRole("searchbox", { name: "Search in Metrics" }).fill("site812.node33");
  await table.getByRole("link", { name: "site812.node33.room.temp" }).waitFor();
  assert.equal(await table.getByRole("row").count(), 2);
  check();
});

journey("a tree of metrics is opened and chosen from with the keyboard alone, past what is in sight", async ({ server, browser }) => {
  await server.import(Array.from({ length: 400 }, (_, i) => `pi/room${i}.temp 21.5`));
  const { page, check } = await open(browser, `${server.url}/explore`);
  const list = page.getByRole("region", { name: "Metrics" });
  await list.getByRole("checkbox").first().focus();
  for (let i = 0; i < 60; i++) await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  await page.waitForURL(/m=pi%2Froom60\.temp/);
  check();
});
