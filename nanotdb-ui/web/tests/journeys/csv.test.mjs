import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { chartState, open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";
import { series } from "../lib/nanotdb.mjs";

/** Rows of the table of a chart, over all its pages. */
async function rowsOf(page) {
  const table = page.getByRole("group", { name: / as table$/ });
  const next = page.getByRole("button", { name: /^Rows after/ });
  let rows = 0;
  for (;;) {
    rows += (await table.getByRole("row").count()) - 1; // the heading
    if (!(await next.count()) || (await next.isDisabled())) return rows;
    const before = await table.innerText();
    await next.click();
    await until("the next page", async () => (await table.innerText()) !== before);
  }
}

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
  assert.equal(await rowsOf(page), 60);
  check();
});

journey("what is saved and what the table shows follow the legend and the range", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  await server.import(series("demo/a.temp", now - 7_200_000, now, 10_000, (i) => 20.5 + (i % 7)));
  await server.import(series("demo/b.temp", now - 7_200_000, now, 10_000, (i) => 30.5 + (i % 7)));
  const address = (from, to) => `/explore?m=demo/a.temp&m=demo/b.temp&from=${from}&to=${to}`;
  const { page, check } = await open(browser, server.url + address(now - 600_000, now));
  await until("data", async () => (await chartState(page)).rows > 50);
  await page.locator(".legend").getByText("demo/b.temp").click();
  const menu = page.getByRole("button", { name: /^Actions of/ });
  const saved = async (name) => {
    await menu.click();
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name }).click()]);
    return readFileSync(await download.path());
  };
  assert.match((await saved("Save CSV")).toString(), /^time,demo\/a\.temp\r\n/);
  assert.ok((await saved("Save PNG")).length > 1000);
  await menu.click();
  assert.equal(await page.getByRole("button", { name: "Open in Explore" }).count(), 0); // this is Explore
  await page.getByRole("button", { name: "View as table" }).click();
  const table = page.getByRole("group", { name: / as table$/ });
  await table.waitFor();
  assert.deepEqual(await table.getByRole("columnheader").allInnerTexts(), ["Time", "demo/a.temp"]);
  // The table goes along to an hour before, where no sample of the chart before was.
  await page.evaluate((to) => {
    history.pushState(null, "", to);
    dispatchEvent(new PopStateEvent("popstate"));
  }, address(now - 5_400_000, now - 4_800_000));
  const first = new Date(now - 4_810_000).toISOString().slice(11, 19);
  await table.getByText(first).first().waitFor();
  assert.equal(await rowsOf(page), 60);
  check();
});
