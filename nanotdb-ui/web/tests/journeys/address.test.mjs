import assert from "node:assert/strict";
import { chartState, drag, open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";
import { series } from "../lib/nanotdb.mjs";

journey("any address shows a page; what steps back in time never leaves it", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  await server.import(series("host/sys.load1", now - 3_600_000, now, 10_000, (i) => (1 + Math.sin(i / 20)).toFixed(3)));
  const { page, check } = await open(browser, `${server.url}/dashboard/100%`);
  await page.getByText("There is no group “100%”.").waitFor();

  await page.goto(`${server.url}/explore?m=host/sys.load1&range=99999999d`);
  await chartState(page);

  // Opened as a link: there is no range before, and Backspace stays.
  await page.goto(`${server.url}/explore?m=host/sys.load1&from=${now - 1_800_000}&to=${now}`);
  await chartState(page);
  const back = page.getByRole("button", { name: "Back to the range before" });
  assert.ok(await back.isDisabled());
  await page.locator(".plot").focus();
  await page.keyboard.press("Backspace");
  await drag(page, 0.2, 0.6);
  await until("zoomed", async () => (await chartState(page)).from > now - 1_800_000);
  await back.click();
  await until("back", async () => (await chartState(page)).from === now - 1_800_000);
  assert.ok(await back.isDisabled());

  // A drag over less than can be shown is no way back to live.
  await page.goto(`${server.url}/explore?m=host/sys.load1&from=${now - 20_020}&to=${now - 20_000 + 480}`);
  await chartState(page);
  await drag(page, 0.02, 0.03);
  await until("ten milliseconds", () => {
    const { searchParams } = new URL(page.url());
    return Number(searchParams.get("to")) - Number(searchParams.get("from")) === 10;
  });
  check();
});

journey("the keys for zoom and moving take the range of the page, as the buttons do", async ({ server, browser }) => {
  await server.import(["host/sys.load1 1.25"]);
  const config = {
    title: "Test",
    default_db: "host",
    groups: [{ id: "all", widgets: ["chart"] }],
    widgets: { chart: { type: "line_chart", lookback: "24h", series: [{ metric: "sys.load1" }] } },
  };
  const headers = { "Content-Type": "application/json" };
  await fetch(`${server.url}/api/dashboard-config`, { method: "PUT", headers, body: JSON.stringify(config) });
  const { page, check } = await open(browser, `${server.url}/dashboard`);
  await chartState(page);
  await page.keyboard.press("i");
  await until("half a day", () => page.url().endsWith("range=12h"));
  check();
});
