import assert from "node:assert/strict";
import { chartState, drag, open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";
import { series } from "../lib/nanotdb.mjs";

journey("a drag zooms in at a finer resolution, survives three refreshes, and back undoes it", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  await server.import(series("demo/cpu.busy_pct", now - 86_400_000, now, 10_000, (i) => (i % 100) / 2 + 0.5));
  const { page, check } = await open(browser, `${server.url}/?range=24h`);
  const whole = await until("a day of data", async () => {
    const state = await chartState(page);
    return state.rows > 100 ? state : null;
  });
  assert.ok(whole.stepMs > 10_000, "a day is shown in buckets");
  await drag(page, 0.4, 0.5);
  const zoomed = await until("samples", async () => {
    const state = await chartState(page);
    return state.stepMs < whole.stepMs && state.rows > 100 ? state : null;
  });
  const span = zoomed.to - zoomed.from;
  assert.ok(Math.abs(span / (whole.to - whole.from) - 0.1) < 0.02, `a tenth of the day, not ${span}`);
  const address = page.url();
  for (let i = 0; i < 3; i++) {
    await page.reload();
    const again = await until("the chart", async () => {
      const state = await chartState(page);
      return state.rows > 100 ? state : null;
    });
    assert.deepEqual([again.from, again.to, page.url()], [zoomed.from, zoomed.to, address]);
  }
  await page.goBack();
  await until("the day again", async () => Math.abs((await chartState(page)).to - (await chartState(page)).from - 86_400_000) < 1000);
  check();
});
