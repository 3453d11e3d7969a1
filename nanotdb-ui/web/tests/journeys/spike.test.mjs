import assert from "node:assert/strict";
import { chartState, open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";
import { series } from "../lib/nanotdb.mjs";

/** Shares of the plot's height that the highest and the lowest pixel of the first line or its band reach. */
function reach(page) {
  return page.locator(".uplot").first().evaluate((root) => {
    const canvas = root.querySelector("canvas");
    const over = root.querySelector(".u-over");
    const ratio = canvas.width / canvas.clientWidth;
    const [left, top, width, height] = [parseFloat(over.style.left), parseFloat(over.style.top), over.clientWidth, over.clientHeight].map((n) => Math.round(n * ratio));
    const { data } = canvas.getContext("2d").getImageData(left, top, width, height);
    const rows = [];
    for (let i = 0; i < data.length; i += 4) {
      const [r, g, b, a] = data.slice(i, i + 4);
      if (a > 20 && b > 150 && b - r > 60) rows.push(1 - Math.floor(i / 4 / width) / height);
    }
    return [rows[0] ?? 0, rows.at(-1) ?? 0];
  });
}

const STEP = 10_000;
const DAY = 86_400_000;

journey("a spike of one sample in a month of samples every 10 s is seen at every zoom, up and down", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / STEP) * STEP;
  const [up, down] = [now - 3 * 3_600_000, now - 4 * 3_600_000];
  const value = (_, ms) => (ms === up ? 99.5 : ms === down ? 1.5 : 50.5);
  for (let back = 30; back > 0; back -= 5) {
    await server.import(series("demo/cpu.busy_pct", now - back * DAY, now - (back - 5) * DAY, STEP, value));
  }
  const { page, check } = await open(browser, `${server.url}/`);
  const seen = [];
  const look = async (address) => {
    await page.goto(`${server.url}/?${address}`);
    const state = await until("data", async () => {
      const found = await chartState(page);
      return found.rows > 100 ? found : null;
    });
    await page.waitForTimeout(300);
    const [top, bottom] = await reach(page);
    // The axis has room above and below the data.
    assert.ok(top > 0.85 && bottom < 0.15, `not both spikes are seen with ${address}: from ${bottom} to ${top} of the height`);
    seen.push(state.stepMs);
  };
  for (const range of ["30d", "14d", "7d", "2d", "24h", "6h"]) await look(`range=${range}`);
  await look(`from=${down - 1_200_000}&to=${up + 1_200_000}`);
  assert.ok(seen[0] >= 30 * 60_000, "a month is far more samples than pixels");
  assert.equal(seen.at(-1), 0, "and in the end every sample is drawn");
  check();
});
