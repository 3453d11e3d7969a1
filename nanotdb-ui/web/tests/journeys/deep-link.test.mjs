import assert from "node:assert/strict";
import { chartState, open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";
import { series } from "../lib/nanotdb.mjs";

journey("the address holds the whole view: another browser shows the same", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  await server.import([
    ...series("demo/cpu.busy_pct", now - 3_600_000, now, 10_000, (i) => (i % 50) + 0.5),
    ...series("demo/net.eth0.rx_bytes", now - 3_600_000, now, 10_000, (i) => i * 1000),
  ]);
  const first = await open(browser, `${server.url}/explore`);
  await first.page.getByRole("searchbox", { name: "Search metrics" }).fill("busy");
  await first.page.getByRole("checkbox", { name: /busy_pct/ }).check();
  await first.page.getByRole("searchbox", { name: "Search metrics" }).fill("rx");
  await first.page.getByRole("checkbox", { name: /rx_bytes/ }).check();
  await first.page.getByLabel("Time range").selectOption({ label: "Last 15 min" });
  await first.page.getByRole("button", { name: "Earlier" }).click();
  const table = (page) => page.getByRole("region", { name: "Statistics table" });
  await until("numbers", async () => (await table(first.page).innerText()).includes("KiB/s") || (await table(first.page).innerText()).includes("B/s"));
  const second = await open(browser, first.page.url());
  await until("numbers", async () => /\d B\/s/.test(await table(second.page).innerText()));
  const [a, b] = [await chartState(first.page), await chartState(second.page)];
  assert.deepEqual([b.from, b.to, b.stepMs], [a.from, a.to, a.stepMs]);
  assert.equal(await table(second.page).innerText(), await table(first.page).innerText());
  first.check();
  second.check();
});
