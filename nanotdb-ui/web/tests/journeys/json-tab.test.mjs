import assert from "node:assert/strict";
import { open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";

journey("text of the JSON tab that is not JSON is neither lost without a word nor passed over by saving", async ({ server, browser }) => {
  await server.import(["host/sys.load1 1.25"]);
  const { page, check } = await open(browser, `${server.url}/dashboard/edit?view=json`);
  const text = page.locator("textarea");
  await text.waitFor();
  const before = await text.inputValue();
  const asked = [];
  page.on("dialog", (dialog) => {
    asked.push(dialog.message());
    void dialog.dismiss();
  });
  await text.fill(`${before}x`);
  await page.getByText("The text is not JSON yet, so that it cannot be saved.").waitFor();
  assert.ok(await page.getByRole("button", { name: "Save", exact: true }).isDisabled());
  // Neither the other tab nor another page without asking.
  await page.getByRole("button", { name: "JSON" }).click();
  await page.getByRole("link", { name: "Close" }).click();
  await until("asked twice", () => asked.length === 2);
  assert.match(page.url(), /view=json/);
  assert.equal(await text.inputValue(), `${before}x`);
  // Ctrl S saves nothing; undo brings back what was JSON.
  await page.keyboard.press("Control+s");
  await page.getByRole("button", { name: "Undo" }).click();
  await until("the text is back", async () => (await text.inputValue()) === before);
  await page.getByText("Everything is saved.").waitFor();
  assert.equal((await fetch(`${server.url}/api/dashboard-config/backups`).then((r) => r.json())).backups.length, 0);
  check();
});

journey("what is no dashboard is told while it is typed, and not saved", async ({ server, browser }) => {
  await server.import(["host/sys.load1 1.25"]);
  // A refused save is logged by browsers.
  const { page } = await open(browser, `${server.url}/dashboard/edit?view=json`, { awayIsFine: true });
  const text = page.locator("textarea");
  await text.waitFor();
  const before = await text.inputValue();
  // An answer of the API, pasted whole.
  await text.fill(JSON.stringify({ status: 200, body: JSON.parse(before) }));
  await page.getByRole("button", { name: "title: must be given" }).waitFor();
  await page.getByRole("button", { name: "groups: must have at least one group" }).waitFor();
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("2 errors: title: must be given").waitFor();
  assert.equal((await fetch(`${server.url}/api/dashboard-config/backups`).then((r) => r.json())).backups.length, 0);
});
