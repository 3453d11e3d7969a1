import assert from "node:assert/strict";
import { open } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";

journey("an empty server shows how to send data, and a live chart with the first sample", async ({ server, browser }) => {
  const { page, check } = await open(browser, `${server.url}/`);
  await page.getByRole("heading", { name: "Waiting for data" }).waitFor();
  const command = await page.getByRole("region", { name: "curl command" }).innerText();
  assert.match(command, new RegExp(`^curl .*${server.url}/api/v1/import`));
  await page.waitForTimeout(1000);
  await server.import(["demo/room.temp 21.5"]);
  await page.getByRole("region", { name: "room.temp" }).getByText("21.5").first().waitFor({ timeout: 10_000 });
  await server.import(["demo/room.temp 22.5"]);
  await page.getByRole("region", { name: "room.temp" }).getByText("22.5").first().waitFor({ timeout: 10_000 });
  check();
});
