import { open } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";
import { series } from "../lib/nanotdb.mjs";

journey("values that stopped coming say how old they are, until they come again", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  await server.import(series("demo/room.temp", now - 1_800_000, now - 600_000, 10_000, () => 21.5));
  const { page, check } = await open(browser, `${server.url}/`);
  const panel = page.getByRole("region", { name: "room.temp" });
  await panel.getByText("stale 10 min").waitFor();
  await panel.getByText("10 min old").waitFor();
  await server.import(["demo/room.temp 22.5"]);
  await panel.getByText("stale").waitFor({ state: "detached", timeout: 10_000 });
  check();
});

journey("the state says that nothing comes in, although the server stores samples of itself", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  await server.import(series("demo/room.temp", now - 1_800_000, now - 600_000, 10_000, () => 21.5));
  const { page, check } = await open(browser, `${server.url}/`);
  const strip = page.locator("dl.strip");
  await strip.getByText("no samples for 10 min").waitFor();
  // Longer than the server takes to tell of its own samples.
  await page.waitForTimeout(35_000);
  await strip.getByText(/no samples for 1\d min/).waitFor({ timeout: 1000 });
  await strip.getByText("nothing").waitFor({ timeout: 1000 });
  await server.import(["demo/room.temp 22.5"]);
  await strip.getByText("taking samples").waitFor({ timeout: 10_000 });
  check();
});
