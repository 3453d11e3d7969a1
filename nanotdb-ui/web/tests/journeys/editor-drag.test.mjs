import assert from "node:assert/strict";
import { open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";

const chart = (title) => ({ type: "line_chart", title, series: [{ metric: "sys.load1" }] });
const CONFIG = {
  title: "Test",
  default_db: "host",
  groups: [{ id: "all", label: "All", widgets: ["one", "two", "three"] }],
  widgets: { one: chart("One"), two: chart("Two"), three: chart("Three") },
};

async function prepared(server) {
  await server.import(["host/sys.load1 1.25"]);
  const headers = { "Content-Type": "application/json" };
  await fetch(`${server.url}/api/dashboard-config`, { method: "PUT", headers, body: JSON.stringify(CONFIG) });
}

const titles = (page) => page.locator("[data-card] h2").allInnerTexts();

journey("a widget is dragged to another place with a finger, on a page that scrolls along", async ({ server, browser }) => {
  await prepared(server);
  const { page, context, check } = await open(browser, `${server.url}/dashboard/edit`, { width: 390, height: 844, touch: true });
  await page.getByRole("button", { name: /^Move One/ }).waitFor();
  const cdp = await context.newCDPSession(page);
  const { x, y } = await page.getByRole("button", { name: /^Move One/ }).boundingBox();
  const touch = (type, at) => cdp.send("Input.dispatchTouchEvent", { type, touchPoints: at === null ? [] : [{ x: x + 20, y: at }] });
  await touch("touchStart", y + 20);
  for (let at = y + 20; at < 820; at += 20) await touch("touchMove", at);
  // The finger rests at the edge: the page goes on, past both others.
  await until("at the end", async () => (await titles(page)).join() === "Two,Three,One");
  await touch("touchEnd", null);
  await page.getByRole("button", { name: "Undo" }).click();
  assert.deepEqual(await titles(page), ["One", "Two", "Three"]); // the whole drag is one step
  check();
});

journey("a widget is dragged and resized with the mouse; back at its first size it has its first size", async ({ server, browser }) => {
  await prepared(server);
  const { page, check } = await open(browser, `${server.url}/dashboard/edit`);
  const centre = async (locator) => {
    const { x, y, width, height } = await locator.boundingBox();
    return [x + width / 2, y + height / 2];
  };
  const grip = page.getByRole("button", { name: /^Move Two/ });
  await grip.waitFor();
  await page.mouse.move(...(await centre(grip)));
  await page.mouse.down();
  await page.mouse.move(...(await centre(page.locator("[data-card=one]"))), { steps: 8 });
  await until("moved", async () => (await titles(page)).join() === "Two,One,Three");
  await page.mouse.up();

  const card = page.locator("[data-card=one]");
  const [x, y] = await centre(page.getByRole("button", { name: /^Size of One/ }));
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x - 330, y, { steps: 5 });
  await until("narrower", async () => /\bw1\b/.test(await card.getAttribute("class")));
  await page.mouse.move(x, y, { steps: 5 });
  await page.mouse.up();
  assert.match(await card.getAttribute("class"), /\bw2\b/);
  check();
});

journey("the form of a widget and a new widget come into sight", async ({ server, browser }) => {
  await prepared(server);
  for (const [width, height] of [[390, 844], [1440, 500]]) {
    const { page, context, check } = await open(browser, `${server.url}/dashboard/edit`, { width, height, touch: width < 500 });
    const inSight = (locator) => until("in sight", () => locator.evaluate((e) => e.getBoundingClientRect().top >= 40 && e.getBoundingClientRect().top < innerHeight - 80));
    await page.getByRole("button", { name: "Edit Three" }).click();
    const form = page.getByRole("complementary", { name: "Widget" });
    await inSight(form.getByLabel("Title"));
    await form.getByRole("button", { name: "Close the form" }).click();
    await inSight(page.getByRole("button", { name: "Edit Three" }));
    assert.match(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), /^Edit Three/);
    await page.getByRole("button", { name: "Widget", exact: true }).click();
    await inSight(width < 500 ? form.getByLabel("Title") : page.locator("[data-card=new_chart]"));
    await context.close();
    check();
  }
});

journey("a new widget is no mistake before anything was done; every aggregate of the server is offered", async ({ server, browser }) => {
  await prepared(server);
  const { page, check } = await open(browser, `${server.url}/dashboard/edit`);
  const validated = page.waitForResponse((response) => response.url().includes("/validate"));
  await page.getByRole("button", { name: "Widget", exact: true }).click();
  assert.equal((await (await validated).json()).ok, false, "the server finds it without metrics");
  await page.getByText("There are changes that are not saved.").waitFor();
  assert.equal(await page.locator("[data-card=new_chart] .badge.critical").count(), 0);
  // To save it is another thing.
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText(/^1 error: widgets › new_chart › series/).waitFor();

  await page.getByRole("button", { name: "Edit One" }).click();
  await page.getByText("Database, unit, thresholds").click();
  const { data } = await fetch(`${server.url}/api/v1/aggregates`).then((response) => response.json());
  const offered = await page.getByLabel("Value").locator("option").allInnerTexts();
  assert.deepEqual(offered, ["average and band", ...data.result]);
});
