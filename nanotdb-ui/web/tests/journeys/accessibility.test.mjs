import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { open } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";
import { series } from "../lib/nanotdb.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PAGES = ["/", "/dashboard", "/dashboard/edit", "/dashboard/edit?view=json", "/explore", "/explore?m=demo/cpu.busy_pct", "/engine", "/engine?db=demo", "/api-tester", "/dashboard/no-such-group", "/no-such-page", "/?range=abc&db=none", "/engine?show=refused"];

/** What is open on a page: a table instead of a chart, a dialog over it. */
const OPENED = [
  ["/explore?m=demo/cpu.busy_pct", async (page) => {
    await page.getByRole("button", { name: /^Actions of/ }).click();
    await page.getByRole("button", { name: "View as table" }).click();
    await page.getByRole("group", { name: / as table$/ }).waitFor();
  }],
  ["/", async (page) => {
    await page.getByRole("button", { name: "Settings of this browser" }).click();
    await page.getByRole("dialog").waitFor();
  }],
];

async function violations(page) {
  await page.evaluate(axe);
  const { violations, incomplete } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations", "incomplete"] }));
  const undecided = incomplete.filter(({ id }) => id === "color-contrast");
  return [...violations, ...undecided].flatMap(({ id, nodes }) => nodes.map(({ target, any }) => `${id}: ${target.join(" ")}: ${any[0]?.message ?? ""}`));
}

for (const state of ["empty", "loaded", "error"]) {
  journey(`axe finds nothing on any page, dark or light, at any size (${state})`, async ({ server, browser }) => {
    const now = Math.floor(Date.now() / 1000) * 1000;
    if (state !== "empty") {
      await server.import([
        ...series("demo/cpu.busy_pct", now - 3_600_000, now, 10_000, (i) => (i % 100) + 0.5),
        ...series("demo/room.temp", now - 3_600_000, now - 1_800_000, 10_000, () => 21.5),
      ]);
    }
    const found = [];
    for (const theme of ["light", "dark"]) {
      for (const width of [390, 768, 1440]) {
        const { page, context } = await open(browser, `${server.url}/`, { width, theme, awayIsFine: state === "error" });
        if (state === "error") await page.route("**/api/**", (route) => route.fulfill({ status: 500, json: { status: "error", errorType: "execution", error: "the disk is on fire" } }));
        for (const path of PAGES) {
          await page.goto(server.url + path);
          await page.waitForTimeout(500);
          for (const one of await violations(page)) found.push(`${path} ${theme} ${width}: ${one}`);
        }
        if (state === "loaded") {
          for (const [path, act] of OPENED) {
            await page.goto(server.url + path);
            await act(page);
            for (const one of await violations(page)) found.push(`${path} opened ${theme} ${width}: ${one}`);
          }
        }
        await context.close();
      }
    }
    assert.equal([...new Set(found)].join("\n"), "");
  });
}

journey("targets are 44 px for fingers, and nothing is wider than the screen", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  await server.import(series("demo/cpu.busy_pct", now - 3_600_000, now, 10_000, (i) => (i % 100) + 0.5));
  const found = [];
  for (const width of [320, 390]) {
    const { page } = await open(browser, `${server.url}/`, { width, touch: true });
    for (const path of PAGES) {
      await page.goto(server.url + path);
      await page.waitForTimeout(400);
      const { wide, small } = await page.evaluate(() => ({
        wide: document.documentElement.scrollWidth - innerWidth,
        small: [...document.querySelectorAll("button, a, select, input:not([type=checkbox]), summary, label.check")]
          .filter((e) => e.checkVisibility() && !e.closest("p, .message, td, th, .skip, h1") && !e.classList.contains("skip"))
          .filter((e) => e.getBoundingClientRect().height < 43.5)
          .map((e) => `${e.tagName} ${e.textContent.slice(0, 30)} ${e.ariaLabel ?? ""} ${Math.round(e.getBoundingClientRect().height)}`),
      }));
      if (wide > 0) found.push(`${path} at ${width}: ${wide} px too wide`);
      for (const one of small) found.push(`${path} at ${width}: ${one}`);
    }
  }
  assert.equal(found.join("\n"), "");
});
