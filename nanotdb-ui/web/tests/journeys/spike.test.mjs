import assert from "node:assert/strict";
import { chartState, open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";
import { series } from "../lib/nanotdb.mjs";

/** Share of the plot's height that the highest pixel of the first line or its band reaches. */
function highest(page) {
  return page.locator(".uplot").first().evaluate((root) => {
    const canvas = root.querySelector("canvas");
    const over = root.querySelector(".u-over");
    const ratio = canvas.width / canvas.clientWidth;
    const [left, top, width, height] = [parseFloat(over.style.left), parseFloat(over.style.top), over.clientWidth, over.clientHeight].map((n) => Math.round(n * ratio));
    const { data } = canvas.getContext("2d").getImageData(left, top, width, height);
    for (let i = 0; i < data.length; i += 4) {
      const [r, g, b, a] = data.slice(i, i + 4);
      if (a > 20 && b > 150 && b - r > 60) return 1 - Math.floor(i / 4 / width) / height;
    }
    return 0;
  });
}

journey("a spike of one sample in a month is seen at every zoom", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / 60_000) * 60_000;
  const day = 86_400_000;
  const at = now - 3 * 3_600_000;
  for (let back = 30; back > 0; back -= 5) {
    await server.import(series("demo/cpu.busy_pct", now - back * day, now - (back - 5) * day, 60_000, (i, ms) => (ms === at ? 99.5 : 1.5)));
  }
  const { page, check } = await open(browser, `${server.url}/`);
  for (const range of ["30d", "7d", "24h", "6h"]) {
    await page.goto(`${server.url}/?range=${range}`);
    await until("data", async () => (await chartState(page)).rows > 100);
    await page.waitForTimeout(300);
    assert.ok((await highest(page)) > 0.85, `the spike is not seen over ${range}`);
  }
  check();
});
