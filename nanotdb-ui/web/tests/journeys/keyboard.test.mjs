import assert from "node:assert/strict";
import { chartState, open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";
import { series } from "../lib/nanotdb.mjs";

journey("everything without a pointer: skip link, chart, legend, menu, full screen, shortcuts", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  await server.import(series("demo/cpu.busy_pct", now - 3_600_000, now, 10_000, (i) => (i % 100) + 0.5));
  const { page, check } = await open(browser, `${server.url}/`);
  await until("data", async () => (await chartState(page)).rows > 50);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");

  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard and pointer" }).waitFor();
  await page.keyboard.press("Escape");

  const plot = page.locator(".plot").first();
  await plot.focus();
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowLeft");
  assert.match(await page.locator(".chart [aria-live]").first().textContent(), /cpu\.busy_pct [\d.]+ %/);
  const before = await chartState(page);
  await page.keyboard.press("+");
  await until("half", async () => Math.abs((await chartState(page)).to - (await chartState(page)).from - (before.to - before.from) / 2) < 2000);
  await plot.focus();
  await page.keyboard.press("Shift+ArrowLeft");
  await until("earlier", async () => (await chartState(page)).from < before.to - 1_900_000);
  await page.keyboard.press("0");
  await until("live", () => !page.url().includes("from="));

  const legend = page.getByRole("list", { name: "Lines" }).first().getByRole("button").first();
  await legend.focus();
  await page.keyboard.press("Enter");
  assert.equal(await legend.getAttribute("aria-pressed"), "false");
  await page.keyboard.press("Enter");

  const menu = page.getByRole("button", { name: "Actions of cpu.busy_pct" });
  await menu.focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter"); // full screen is the first
  await until("full screen", () => page.url().includes("panel="));
  await page.keyboard.press("Escape");
  await until("back", () => !page.url().includes("panel="));

  await page.keyboard.press("g");
  await page.keyboard.press("e");
  await page.getByRole("searchbox", { name: "Search metrics" }).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("busy");
  await page.keyboard.press("Enter");
  await until("chosen", () => page.url().includes("m=demo%2Fcpu.busy_pct"));
  check();
});
