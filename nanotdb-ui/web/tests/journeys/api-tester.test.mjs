import assert from "node:assert/strict";
import { open } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";

journey("every endpoint can be tried from the API tester; what changes data asks before", async ({ server, browser }) => {
  await server.import(["demo/room.temp 21.5"]);
  const { page } = await open(browser, `${server.url}/api-tester`);
  const links = page.getByRole("navigation", { name: "Endpoints" }).getByRole("link");
  await links.first().waitFor();
  const pages = await links.evaluateAll((list) => list.map((link) => link.href));
  assert.ok(pages.length > 10);
  for (const address of pages) {
    await page.goto(address);
    const send = page.getByRole("button", { name: "Send" });
    await send.waitFor();
    if (await send.isDisabled()) continue; // a parameter that only the user knows
    await send.click();
    if (await page.getByText("changes data", { exact: true }).count()) {
      await page.getByRole("dialog", { name: "This changes data" }).getByRole("button", { name: "Cancel" }).click();
      continue;
    }
    const answer = page.getByRole("region", { name: "Answer", exact: true });
    await answer.getByRole("heading").waitFor({ timeout: 8000 });
    assert.doesNotMatch(await answer.innerText(), /cannot be reached/, address);
  }
});
