import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { chartState, open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";
import { series } from "../lib/nanotdb.mjs";

journey("the CSV has the samples of the chart, in the units of the chart", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  const from = now - 600_000;
  await server.import(series("demo/temp.office.mdeg", from, now, 10_000, (i) => 20_000 + i * 25));
  const { page, check } = await open(browser, `${server.url}/explore?m=demo/temp.office.mdeg&from=${from}&to=${now}`);
  await until("data", async () => (await chartState(page)).rows === 60);
  const menu = page.getByRole("button", { name: /^Actions of/ });
  await menu.click();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save CSV" }).click()]);
  const [head, ...rows] = readFileSync(await download.path(), "utf8").trim().split("\r\n");
  assert.equal(head, "time,demo/temp.office.mdeg");
  assert.deepEqual(
    rows,
    Array.from({ length: 60 }, (_, i) => `${new Date(from + i * 10_000).toISOString()},${20 + i * 0.025}`.replace(/(\.\d{1,3})\d*$/, (text) => String(Number(text)).slice(1))),
  );
  await menu.click();
  await page.getByRole("button", { name: "View as table" }).click();
  assert.equal(await page.getByRole("region", { name: / as table$/ }).getByRole("row").count(), 61);
  check();
});
