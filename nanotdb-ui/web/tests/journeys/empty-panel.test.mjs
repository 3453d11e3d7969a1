import assert from "node:assert/strict";
import { chartState, open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";
import { series } from "../lib/nanotdb.mjs";

journey("a chart without samples says when the newest was, and leads there", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  const last = now - 40 * 86_400_000;
  await server.import(series("demo/old.temp", last - 600_000, last + 1, 10_000, () => 21.5));
  await server.import(series("demo/new.humidity", now - 600_000, now, 10_000, () => 51.5));
  const { page, check } = await open(browser, `${server.url}/`);
  const panel = page.getByRole("region", { name: "old.temp" });
  await panel.getByText(/The newest is of \d+ \w+ 20\d\d/).waitFor();
  await panel.getByRole("button", { name: "Show the newest" }).click();
  await page.waitForURL(/from=\d+&to=\d+/);
  await until("its samples", async () => {
    const { from, to, rows } = await chartState(page);
    return rows > 10 && from < last && last < to;
  });
  check();
});

journey("samples from the future are called so, and rare ones are shown over a longer time", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  await server.import(series("demo/early.temp", now - 600_000, now + 300_000, 10_000, () => 21.5));
  await server.import(series("demo/rare.humidity", now - 86_400_000, now, 3_600_000, () => 51.5));
  const { page, check } = await open(browser, `${server.url}/`);
  await page.getByRole("region", { name: "early.temp" }).getByText(/newest is \d min in the future/).waitFor();
  await page.getByText(/The newest samples are \d min in the future/).waitFor();
  await page.getByRole("region", { name: "rare.humidity" }).getByText("Last 24 h").waitFor();
  check();
});
