import assert from "node:assert/strict";
import { join } from "node:path";
import { chartState, open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";
import { series } from "../lib/nanotdb.mjs";

const HOUR = 3_600_000;

journey("the change of a range is that of its samples, whatever the width of the window; a sum has its own axis", async ({ server, browser }) => {
  // Half an hour back: what goes on after the range is not ahead of the clock.
  const to = Math.floor((Date.now() - HOUR / 2) / HOUR) * HOUR;
  const from = to - 24 * HOUR;
  // 8,640 samples, one more each time: more than there are pixels. Then it goes on.
  await server.import(series("home/meter", from, to + HOUR / 2, 10_000, (i) => i));
  const cell = (page, label) => page.locator(`td[data-label=${label}]`).first();
  const address = `/explore?m=home%2Fmeter&from=${from}&to=${to - 1}`;
  for (const width of [390, 700, 1100, 1440, 2560]) {
    const { page, context, check } = await open(browser, server.url + address, { width });
    const state = await until("buckets", async () => {
      const found = await chartState(page);
      return found.stepMs > 0 ? found : null;
    });
    assert.ok(state.stepMs > 10_000, `${width} px: buckets of ${state.stepMs} ms`);
    await until("numbers", async () => (await cell(page, "Samples").innerText()).replace(/\D/g, "") === "8640");
    // The last sample of the range is the 8,640th, number 8,639.
    assert.equal((await cell(page, "Change").innerText()).replace(/\s/g, ""), "8639", `${width} px`);
    assert.equal((await cell(page, "Last").innerText()).replace(/\s/g, ""), "8639", `${width} px`);
    check();
    await context.close();
  }

  const line = (aggregate) => ({ metric: "room.temp", aggregate, window: "1h", label: aggregate });
  const config = {
    title: "Sums",
    default_db: "home",
    groups: [{ id: "a", widgets: ["both"] }],
    widgets: { both: { type: "line_chart", title: "Both", lookback: "24h", layout: { w: 4 }, series: [line("avg"), line("sum")] } },
  };
  await server.import(series("home/room.temp", from, to, 10_000, (i) => (20 + Math.sin(i / 1000)).toFixed(1)));
  const put = { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(config) };
  assert.equal((await fetch(`${server.url}/api/dashboard-config`, put)).status, 200);
  for (const width of [390, 1440]) {
    const { page, context, check } = await open(browser, `${server.url}/dashboard`, { width });
    // One axis of time, and two of values: the sum's has its name.
    await until("two value axes", async () => (await page.locator(".uplot .u-axis").count()) === 3);
    if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, `sum-${width}.png`) });
    check();
    await context.close();
  }
});
