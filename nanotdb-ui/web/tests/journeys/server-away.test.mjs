import { chartState, open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";
import { series } from "../lib/nanotdb.mjs";

journey("a killed server is told, what was there stays, and it goes on by itself when it is back", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  await server.import(series("demo/room.temp", now - 600_000, now, 1000, () => 21.5));
  const { page, check } = await open(browser, `${server.url}/`, { awayIsFine: true });
  await page.getByRole("status").getByText("live").waitFor();
  await server.kill();
  await page.getByText("server away").waitFor({ timeout: 20_000 });
  await page.getByText("not updating").first().waitFor();
  // The status line does not go on to say that samples are taken, and values are as old as they are.
  await page.locator("dl.strip").getByText("no answer").waitFor();
  await page.locator("dl.strip").getByText("taking samples").waitFor({ state: "detached" });
  await page.locator(".legend").first().getByText(/\d+ s old/).waitFor();
  await until("the chart stays", async () => (await chartState(page)).rows > 100);
  await server.run();
  await page.getByRole("status").getByText("live").waitFor({ timeout: 30_000 });
  await server.import(["demo/room.temp 33.5"]);
  await page.getByRole("region", { name: "room.temp" }).getByText("33.5").first().waitFor({ timeout: 10_000 });
  check();
});

journey("a page that could not be fetched while the server was away is there when the server is", async ({ server, browser }) => {
  await server.import(["demo/room.temp 21.5"]);
  const { page, check } = await open(browser, `${server.url}/`, { awayIsFine: true });
  await page.getByRole("status").getByText("live").waitFor();
  await server.kill();
  await page.getByText("server away").waitFor({ timeout: 20_000 });
  await page.getByText(/for \d+ s/).waitFor({ timeout: 20_000 });
  await page.getByRole("link", { name: "Explore" }).click();
  await page.getByText("This page could not be fetched").waitFor();
  await server.run();
  await page.getByPlaceholder("Search metrics").waitFor({ timeout: 30_000 });
  check();
});
