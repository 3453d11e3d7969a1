import assert from "node:assert/strict";
import { chartState, open } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";

const LONG = `${"a.very.long.name.of.a.metric.".repeat(5)}used_pct`;
const PAGES = ["/", "/dashboard", "/dashboard/edit", `/explore?m=host/${LONG}&m=host/sys.load1`, "/engine", "/engine?db=host", "/api-tester"];

journey("nothing lies over anything and no page is wider than the screen, at 320 px and with long names", async ({ server, browser }) => {
  await server.import([`host/${LONG} 12.5`, "host/sys.load1 1.25"]);
  for (const width of [320, 390, 768, 1440]) {
    const { page, context, check } = await open(browser, `${server.url}/`, { width, height: 800, touch: width < 800 });
    for (const path of PAGES) {
      await page.goto(server.url + path);
      await page.getByRole("status").getByText("live").first().waitFor();
      await page.waitForTimeout(300);
      const { wide, covered } = await page.evaluate(() => ({
        wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        // What a finger in the middle of each part of the top bar would meet.
        covered: [...document.querySelectorAll("header.top nav a, header.top button")].filter((element) => {
          const { left, top, width, height } = element.getBoundingClientRect();
          return [0.1, 0.5, 0.9].some((share) => !element.contains(document.elementFromPoint(left + width * share, top + height / 2)));
        }).length,
      }));
      assert.deepEqual({ path, width, wide, covered }, { path, width, wide: 0, covered: 0 });
    }
    await context.close();
    check();
  }
});

journey("the time bar is in reach in full screen, on a phone too", async ({ server, browser }) => {
  await server.import(["host/sys.load1 1.25", "host/sys.load1 1.5"]);
  const { page, check } = await open(browser, `${server.url}/`, { width: 390, height: 844, touch: true });
  await page.getByRole("button", { name: "Actions of sys.load1" }).tap();
  await page.getByRole("button", { name: "Full screen" }).tap();
  const before = await chartState(page);
  await page.getByRole("button", { name: "Earlier" }).tap();
  await page.getByRole("button", { name: "Live" }).tap();
  await page.getByLabel("Time range").selectOption({ label: "Last 5 min" });
  await page.waitForURL(/range=5m/);
  assert.match(page.url(), /panel=/);
  assert.ok((await chartState(page)).from > before.from);
  check();
});
