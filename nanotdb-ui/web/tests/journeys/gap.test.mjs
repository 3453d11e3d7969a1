import assert from "node:assert/strict";
import { chartState, open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";
import { series } from "../lib/nanotdb.mjs";

/** Whether the column of the plot at a share of the width has pixels of the line's colour. */
function drawnAt(page, share) {
  return page.locator(".uplot").first().evaluate((root, share) => {
    const canvas = root.querySelector("canvas");
    const over = root.querySelector(".u-over");
    const ratio = canvas.width / canvas.clientWidth;
    const x = Math.round((parseFloat(over.style.left) + over.clientWidth * share) * ratio);
    const { data } = canvas.getContext("2d").getImageData(x, 0, 1, canvas.height);
    for (let i = 0; i < data.length; i += 4) {
      const [r, g, b, a] = data.slice(i, i + 4);
      if (a > 100 && b > 150 && b - r > 80 && b - g > 40) return true; // blue: the first line
    }
    return false;
  }, share);
}

for (const range of ["1h", "24h"]) {
  journey(`no line is drawn across a gap (${range})`, async ({ server, browser }) => {
    const now = Math.floor(Date.now() / 1000) * 1000;
    const span = range === "1h" ? 3_600_000 : 86_400_000;
    const [from, to] = [now - span * 0.6, now - span * 0.4];
    await server.import(series("demo/cpu.busy_pct", now - span, now, 10_000, (i, ms) => (ms > from && ms < to ? null : 50.5)));
    const { page, check } = await open(browser, `${server.url}/?range=${range}`);
    await until("data", async () => (await chartState(page)).rows > 50);
    await page.waitForTimeout(300);
    assert.equal(await drawnAt(page, 0.2), true, "a line before the gap");
    assert.equal(await drawnAt(page, 0.8), true, "a line after the gap");
    assert.equal(await drawnAt(page, 0.5), false, "no line in the gap");
    check();
  });
}
