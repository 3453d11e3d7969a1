import assert from "node:assert/strict";
import { chartState, open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";
import { series } from "../lib/nanotdb.mjs";

journey("on paper everything is light, fits, and has its charts", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  const names = ["cpu.busy_pct", "room.temp", "mem.free_bytes", "sys.load1", "fan.rpm", "air.co2_ppm", "sun.watts", "net.rx_hz"];
  for (const name of names) await server.import(series(`demo/${name}`, now - 3_600_000, now, 10_000, (i) => (i % 50) + 0.5));
  const { page, check } = await open(browser, `${server.url}/`, { theme: "dark", height: 500 });
  await chartState(page);
  assert.ok((await page.locator(".uplot").count()) < names.length, "some are below the fold, and not drawn yet");
  // As the browser does before it takes the page.
  await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
  await page.emulateMedia({ media: "print" });
  await until("all charts", async () => (await page.locator(".uplot").count()) === names.length);
  await page.getByText(/^\d+ \w+ 20\d\d .* – .*; printed \d+ \w+ 20\d\d/).waitFor();
  const seen = await page.evaluate(() => ({
    theme: document.documentElement.dataset.theme,
    wide: Math.max(...[...document.querySelectorAll(".panel, .uplot")].map((element) => element.getBoundingClientRect().right)),
    cut: [...document.querySelectorAll(".uplot")].filter((chart) => chart.offsetWidth > chart.parentElement.clientWidth + 1).length,
    pressed: [...document.querySelectorAll("main button")].filter((button) => button.checkVisibility() && !button.closest(".legend")).length,
  }));
  assert.deepEqual({ ...seen, wide: seen.wide <= 718 }, { theme: "light", wide: true, cut: 0, pressed: 0 });
  await page.emulateMedia({ media: null });
  await page.evaluate(() => dispatchEvent(new Event("afterprint")));
  await until("as before", () => page.evaluate(() => document.documentElement.dataset.theme === "dark"));
  await chartState(page);
  check();
});

journey("a saved picture has its time, values and limits", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  await server.import(series("demo/room.temp", now - 3_600_000, now, 10_000, (i) => 20 + (i % 5)));
  const config = {
    title: "Test",
    default_db: "demo",
    groups: [{ id: "all", widgets: ["room"] }],
    widgets: { room: { type: "line_chart", title: "Room", lookback: "30m", series: [{ label: "Office", metric: "room.temp", thresholds: { direction: "above", warning: 23, critical: 30 } }] } },
  };
  const headers = { "Content-Type": "application/json" };
  assert.equal((await fetch(`${server.url}/api/dashboard-config`, { method: "PUT", headers, body: JSON.stringify(config) })).status, 200);
  const from = now - 1_800_000;
  const { page, check } = await open(browser, "about:blank", { host: new URL(server.url).host });
  // A canvas cannot be asked what was written onto it.
  await page.addInitScript(() => {
    globalThis.written = [];
    const write = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
      globalThis.written.push(text);
      return write.call(this, text, ...rest);
    };
  });
  await page.goto(`${server.url}/dashboard?from=${from}&to=${now}`);
  await until("data", async () => (await chartState(page)).rows > 50);
  await page.evaluate(() => (globalThis.written = []));
  await page.getByRole("button", { name: "Actions of Room" }).click();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save PNG" }).click()]);
  assert.equal(download.suggestedFilename(), "room.png");
  const written = (await page.evaluate(() => globalThis.written)).join("\n");
  const time = (ms) => new Date(ms).toISOString().slice(11, 16);
  for (const text of ["Room", `${time(from)} – `, `${time(now)} (UTC)`, /Office: last 2\d °C, 20 °C … 24 °C, warning above 23 °C, critical above 30 °C/]) assert.match(written, new RegExp(text instanceof RegExp ? text : text.replace(/[()]/g, "\\$&")));
  check();
});
