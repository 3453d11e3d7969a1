import assert from "node:assert/strict";
import { chartState, open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";
import { series } from "../lib/nanotdb.mjs";

journey("links are read as they are meant, and what cannot be read is said", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  await server.import(series("demo/room.temp", now - 7_200_000, now, 10_000, (i) => 20.5 + (i % 7)));
  const { page, check } = await open(browser, `${server.url}/`);
  const span = async (query) => {
    await page.goto(`${server.url}/?${query}`);
    const { from, to } = await chartState(page);
    return { length: to - from, back: now - to };
  };
  const near = (value, wanted) => assert.ok(Math.abs(value - wanted) < 120_000, `${value}, not ${wanted}`);
  const alert = page.getByRole("alert");
  near((await span("range=1y")).length, 365 * 86_400_000);
  near((await span("from=now-2h&to=now")).length, 7_200_000);
  const past = await span("from=now-2h&to=now-1h");
  near(past.length, 3_600_000);
  near(past.back, 3_600_000);
  assert.equal(await alert.count(), 0);
  for (const [query, said] of [
    ["range=soon", "range=soon is no length of time"],
    [`from=${now}&to=${now - 3_600_000}`, "from is later than to"],
    [`from=${now / 1000 - 3600}&to=${now / 1000}`, "looks like seconds"],
    ["from=yesterday&to=now", "from=yesterday is no time"],
  ]) {
    near((await span(query)).length, 3_600_000);
    await alert.getByText(said).waitFor();
  }
  await page.getByRole("button", { name: "Take it out of the address" }).click();
  await until("gone", async () => (await alert.count()) === 0 && !page.url().includes("from"));

  await page.goto(`${server.url}/explore?m=demo/room.temp&m=humidity&compare=often`);
  await alert.getByText("m=humidity is no metric").waitFor();
  await alert.getByText("compare=often is no length of time").waitFor();
  await chartState(page);

  await page.goto(`${server.url}/?db=nodb`);
  await alert.getByText("There is no database “nodb”.").waitFor();
  await page.getByRole("link", { name: "All databases" }).click();
  await chartState(page);
  check();
});

journey("an address where nothing is shows a page that says so", async ({ server, browser }) => {
  await server.import(["demo/room.temp 21.5"]);
  // Browsers log an answer of 404.
  const { page } = await open(browser, `${server.url}/`);
  for (const path of ["/nope", "/DASHBOARD", "/engines/metrics"]) {
    const response = await page.goto(server.url + path);
    assert.equal(response.status(), 404);
    await page.getByRole("heading", { name: `There is no page at ${path}` }).waitFor();
  }
  await page.getByRole("main").getByRole("link", { name: "Home" }).click();
  await chartState(page);
});
