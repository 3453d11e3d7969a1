import assert from "node:assert/strict";
import { chartState, open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";
import { series } from "../lib/nanotdb.mjs";

journey("two fingers zoom, one scrubs", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  await server.import(series("demo/cpu.busy_pct", now - 86_400_000, now, 10_000, (i) => (i % 100) + 0.5));
  const { page, context, check } = await open(browser, `${server.url}/?range=24h`, { width: 390, height: 844, touch: true });
  await until("data", async () => (await chartState(page)).rows > 50);
  const { x, y, width, height } = await page.locator(".u-over").first().boundingBox();
  const cdp = await context.newCDPSession(page);
  const touch = (type, ...shares) =>
    cdp.send("Input.dispatchTouchEvent", { type, touchPoints: shares.map((share, id) => ({ x: x + width * share, y: y + height / 2, id })) });
  await touch("touchStart", 0.5);
  await page.locator(".tooltip").waitFor();
  await touch("touchEnd");
  const before = await chartState(page);
  await touch("touchStart", 0.4);
  await touch("touchStart", 0.4, 0.6);
  for (let i = 1; i <= 5; i++) await touch("touchMove", 0.4 - i * 0.06, 0.6 + i * 0.06);
  await touch("touchEnd");
  await until("the address", () => /from=\d+&to=\d+/.test(page.url()));
  const after = await until("finer data", async () => {
    const state = await chartState(page);
    return state.stepMs < before.stepMs ? state : null;
  });
  const ratio = (after.to - after.from) / (before.to - before.from);
  assert.ok(Math.abs(ratio - 0.25) < 0.05, `a quarter of the time, not ${ratio}`);
  check();
});
