import assert from "node:assert/strict";
import { chartState, open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";
import { series } from "../lib/nanotdb.mjs";

const PHONE = { width: 390, height: 844, touch: true };

journey("on a phone the time bar stays in sight, one row as high with a stretch of one's own as without", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  for (const name of ["a.temp", "b.humidity", "c.hpa", "d.ppm"]) await server.import(series(`demo/${name}`, now - 3_600_000, now, 10_000, (i) => 20.5 + (i % 9)));
  const { page, check } = await open(browser, `${server.url}/`, PHONE);
  await chartState(page);
  const bar = page.getByRole("group", { name: "Time", exact: true });
  const plot = page.locator(".plot").first();
  const before = { bar: (await bar.boundingBox()).height, plot: (await plot.boundingBox()).y };
  assert.ok(before.bar <= 44, `${before.bar} px`);
  await page.evaluate(([from, to]) => {
    history.pushState(null, "", `?from=${from}&to=${to}`);
    dispatchEvent(new PopStateEvent("popstate"));
  }, [now - 1_800_000, now]);
  await page.getByRole("button", { name: "Live" }).waitFor();
  assert.deepEqual({ bar: (await bar.boundingBox()).height, plot: (await plot.boundingBox()).y }, before);
  // What is chosen can be read whole.
  const { text, room } = await page.getByLabel("Time range").evaluate((select) => {
    const ctx = document.createElement("canvas").getContext("2d");
    ctx.font = getComputedStyle(select).font;
    return { text: ctx.measureText(select.selectedOptions[0].text).width, room: select.clientWidth - 28 };
  });
  assert.ok(text <= room, `${text} px of text in ${room}`);
  await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
  await until("in sight", async () => {
    const { y, height } = await bar.boundingBox();
    return y >= 0 && y + height < 200;
  });
  check();
});

journey("the engine page and its lists end on a phone", async ({ server, browser }) => {
  await server.import(Array.from({ length: 200 }, (_, i) => `demo/sensor${i}.temp 21.5`));
  const { page, check } = await open(browser, `${server.url}/engine`, PHONE);
  const height = () => page.evaluate(() => document.documentElement.scrollHeight);
  for (const [path, section, most] of [["/engine", "Settings of engine.toml", 7000], ["/engine?db=demo", "Metrics", 6000]]) {
    await page.goto(server.url + path);
    await page.getByRole("region", { name: section }).waitFor();
    assert.ok((await height()) < most, `${path}: ${await height()} px`);
  }
  const next = page.getByRole("button", { name: "Rows after, of Metrics" });
  await next.tap();
  await page.getByText("6 – 10 of 200").waitFor();
  check();
});
