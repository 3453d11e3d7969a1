// Chromium with an empty profile, and pages that fail their test on console errors and on requests to other machines.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

/** `more`: arguments for Chromium besides the usual. */
export async function launch(more = []) {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  if (!existsSync(executablePath)) throw new Error(`${executablePath} is missing: run scripts/setup ui, or name a browser in CHROMIUM`);
  return chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--enable-precise-memory-info",
      ...more,
    ],
  });
}

/** `awayIsFine`: the journey stops the server itself, so failed requests are expected. */
export async function open(browser, url, { width = 1440, height = 900, theme = "light", touch = false, awayIsFine = false, host = new URL(url).host } = {}) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: theme,
    hasTouch: touch,
    timezoneId: "UTC",
    locale: "en-GB",
    acceptDownloads: true,
  });
  const page = await context.newPage();
  const problems = [];
  const requests = [];
  page.on("console", (message) => {
    if (message.type() !== "error") return;
    if (awayIsFine && /ERR_|Failed to load resource/.test(message.text())) return;
    problems.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`error: ${error.stack}`));
  page.on("request", (request) => {
    requests.push(request);
    const to = new URL(request.url());
    if (!["blob:", "data:"].includes(to.protocol) && to.host !== host) problems.push(`request to ${to.host}`);
  });
  await page.goto(url);
  return { page, context, requests, check: () => assert.deepEqual(problems, []) };
}

/** What a chart draws: bounds, bucket width, rows. */
export async function chartState(page, index = 0) {
  const plot = page.locator(".uplot").nth(index);
  await plot.waitFor();
  return plot.evaluate((element) => ({
    from: Number(element.dataset.from),
    to: Number(element.dataset.to),
    stepMs: Number(element.dataset.stepMs),
    rows: Number(element.dataset.rows),
  }));
}

/** Drags over a chart from one share of its width to another. */
export async function drag(page, from, to, index = 0) {
  const box = await page.locator(".u-over").nth(index).boundingBox();
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width * from, y);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * ((from + to) / 2), y, { steps: 4 });
  await page.mouse.move(box.x + box.width * to, y, { steps: 4 });
  await page.mouse.up();
}

/** Waits until `test` gives something true. */
export async function until(what, test, ms = 15_000) {
  const end = Date.now() + ms;
  for (;;) {
    const result = await test();
    if (result) return result;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
