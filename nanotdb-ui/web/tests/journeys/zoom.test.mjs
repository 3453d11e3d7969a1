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

journey("a drag that ends over another chart zooms too", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  for (const name of ["demo/a.temp", "demo/b.humidity"]) await server.import(series(name, now - 3_600_000, now, 10_000, (i) => 20.5 + (i % 9)));
  const { page, check } = await open(browser, `${server.url}/`);
  await chartState(page, 1);
  const from = await page.locator(".u-over").nth(0).boundingBox();
  const to = await page.locator(".u-over").nth(1).boundingBox();
  await page.mouse.move(from.x + from.width / 2, from.y + 40);
  await page.mouse.down();
  await page.mouse.move(from.x + from.width * 0.8, from.y + 40, { steps: 5 });
  await page.mouse.move(to.x + to.width / 2, to.y + 40, { steps: 10 });
  await page.mouse.up();
  await page.waitForURL(/from=/);
  const { from: start, to: end } = await chartState(page);
  assert.ok(Math.abs(end - now) < 120_000, `to the edge: ${end - now}`);
  assert.ok(Math.abs(end - start - 1_800_000) < 120_000);
  check();
});
