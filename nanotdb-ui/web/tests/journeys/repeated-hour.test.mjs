import assert from "node:assert/strict";
import { chartState, open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";
import { series } from "../lib/nanotdb.mjs";

/** 2026-11-01 in New York: 1:30 EDT, an hour before 1:30 EST. */
const FIRST = Date.UTC(2026, 10, 1, 5, 30);
const HOUR = 3_600_000;

journey("the hour that comes twice is told apart, and chosen", async ({ server, browser }) => {
  await server.import(series("demo/room.temp", FIRST - HOUR, FIRST + 2 * HOUR, 60_000, (i) => 20.5 + (i % 9)));
  const { page, check } = await open(browser, "about:blank", { host: new URL(server.url).host });
  await page.addInitScript(() => localStorage.setItem("nanotdb.prefs", JSON.stringify({ zone: "America/New_York", hours: "12" })));
  await page.goto(`${server.url}/explore?m=demo/room.temp&from=${FIRST}&to=${FIRST + HOUR}`);
  await until("data", async () => (await chartState(page)).rows > 50);
  assert.match(await page.getByLabel("Time range").evaluate((select) => select.selectedOptions[0].text), /1:30 am EDT – .*1:30 am EST$/);
  await page.getByLabel("Time range").selectOption("custom");
  const dialog = page.getByRole("dialog", { name: "Time range" });
  const [from, to] = [dialog.getByLabel(/^From .*: this time comes twice/), dialog.getByLabel("To: this time comes twice")];
  assert.deepEqual([await from.inputValue(), await to.inputValue()], ["first", "later"]);
  await from.selectOption({ label: "the second (EST)" });
  await dialog.getByLabel("To", { exact: true }).fill("2026-11-01T02:30:00");
  await dialog.getByRole("button", { name: "Show" }).click();
  await until("the second", async () => (await chartState(page)).from === FIRST + HOUR);
  check();
});
