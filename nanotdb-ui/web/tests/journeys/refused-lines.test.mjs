import assert from "node:assert/strict";
import { open } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";

journey("refused lines lead to which they were, from whom and why", async ({ server, browser }) => {
  const headers = { "User-Agent": "meter/2" };
  const answer = await fetch(`${server.url}/api/v1/import`, { method: "POST", headers, body: "demo/room.temp 21.5\ndemo/room.temp warm\n" });
  assert.equal(answer.status, 400);
  const { data } = await answer.json();
  const { page, check } = await open(browser, `${server.url}/`);
  await page.locator("dl.strip").getByRole("link", { name: "1", exact: true }).click();
  const section = page.getByRole("region", { name: "Refused lines" });
  await section.getByText("meter/2").waitFor();
  await section.getByText(data.errors[0].error).waitFor();
  await section.getByText("line 2:").waitFor();
  await section.getByText("1 of 2", { exact: true }).waitFor();
  // Beside it, what the program consists of.
  await page.getByRole("region", { name: "Plugins" }).getByRole("searchbox").fill("aggregate p99");
  await page.getByRole("region", { name: "Plugins" }).getByRole("rowheader", { name: "p99" }).waitFor();
  check();
});
