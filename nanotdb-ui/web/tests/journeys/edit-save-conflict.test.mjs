import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";

const DASHBOARD = {
  title: "Test",
  default_db: "demo",
  future_field: { kept: true },
  groups: [{ id: "overview", label: "Overview", widgets: ["busy", "feed"] }],
  widgets: {
    busy: { type: "line_chart", title: "Busy", lookback: "1h", series: [{ label: "Busy", metric: "cpu.busy_pct" }] },
    feed: { type: "event_log", title: "Events", series: [{ event_name_pattern: "*" }] },
  },
};

journey("edits are saved, errors stand at their fields, a conflict loses nothing, leaving asks", async ({ server, browser }) => {
  const stored = async () => (await fetch(`${server.url}/api/dashboard-config`)).json();
  const put = (config) =>
    fetch(`${server.url}/api/dashboard-config`, { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(config) });
  await server.import(["demo/cpu.busy_pct 12.5"]);
  assert.equal((await put(DASHBOARD)).status, 200);
  const { page, check } = await open(browser, `${server.url}/dashboard/edit`, { awayIsFine: true });
  await page.getByRole("button", { name: "Edit Busy" }).click();
  const title = page.getByLabel("Title");

  await title.fill("Busy CPU");
  await page.getByRole("button", { name: "Size of Busy CPU: drag, or arrow keys" }).focus();
  await page.keyboard.press("ArrowRight");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText(/^Saved\./).waitFor();
  let saved = await stored();
  assert.equal(saved.widgets.busy.title, "Busy CPU");
  assert.equal(saved.widgets.busy.layout.w, 3);
  assert.deepEqual(saved.future_field, { kept: true });
  assert.deepEqual(saved.widgets.feed, DASHBOARD.widgets.feed);

  await page.getByLabel("Lookback").fill("soon");
  await page.locator("label", { hasText: "Lookback" }).locator(".field-error", { hasText: /./ }).waitFor();
  await page.keyboard.press("Control+z");
  assert.equal(await page.getByLabel("Lookback").inputValue(), "1h");

  // What is chosen is drawn beside the tree.
  await page.getByRole("button", { name: "Choose metrics" }).click();
  const picker = page.getByRole("dialog", { name: "Choose metrics" });
  await picker.getByRole("region", { name: "Preview" }).locator(".uplot").waitFor();
  await page.keyboard.press("Escape");
  await picker.waitFor({ state: "detached" });

  await title.fill("Mine");
  await put({ ...saved, title: "Theirs" });
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByRole("dialog", { name: "The dashboard was changed meanwhile" }).waitFor();
  assert.equal((await stored()).title, "Theirs");
  await page.getByRole("button", { name: "Replace theirs with mine" }).click();
  await page.getByText(/^Saved\./).waitFor();
  saved = await stored();
  assert.deepEqual([saved.widgets.busy.title, saved.title], ["Mine", "Test"]);

  await page.getByRole("button", { name: "Backups" }).click();
  // The newest backup is what the conflict replaced; restored, it is the document, and undo leads back.
  await page.getByRole("dialog").getByRole("row").nth(2).waitFor();
  await page.getByRole("button", { name: /^Restore the version of/ }).first().click();
  await until("their version", async () => (await stored()).title === "Theirs");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.keyboard.press("Control+z");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await until("my version", async () => (await stored()).title === "Test");
  assert.equal((await stored()).widgets.busy.title, "Mine");

  await title.fill("Not saved");
  let asked = "";
  page.once("dialog", (dialog) => {
    asked = dialog.message();
    void dialog.dismiss();
  });
  await page.getByRole("link", { name: "Home" }).click();
  assert.match(asked, /not saved/);
  assert.match(page.url(), /\/dashboard\/edit/);
  check();
});

journey("an editor in which nothing was changed follows what another window saves; one with changes says so", async ({ server, browser }) => {
  const put = (title) =>
    fetch(`${server.url}/api/dashboard-config`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...DASHBOARD, widgets: { ...DASHBOARD.widgets, busy: { ...DASHBOARD.widgets.busy, title } } }),
    });
  await server.import(["demo/cpu.busy_pct 12.5"]);
  await put("First");
  const { page, check } = await open(browser, `${server.url}/dashboard/edit`);
  await page.getByRole("status").getByText("live").waitFor();
  await page.getByRole("button", { name: "Edit First" }).waitFor();
  await put("Second");
  await page.getByRole("button", { name: "Edit Second" }).click();
  await page.getByText("Everything is saved.").waitFor();
  await page.getByLabel("Title").fill("Mine");
  await put("Third");
  await page.getByText("Someone else saved this dashboard meanwhile.").waitFor();
  assert.equal(await page.getByLabel("Title").inputValue(), "Mine");
  check();
});

journey("a dashboard.json that cannot be read is put right from its backups; a widget without metrics says so", async ({ server, browser }) => {
  const put = (title) =>
    fetch(`${server.url}/api/dashboard-config`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...DASHBOARD, title }),
    });
  await server.import(["demo/cpu.busy_pct 12.5"]);
  await put("First");
  await put("Second");
  writeFileSync(join(server.dir, "dashboard.json"), "{ not json");
  // The server answers with an error, which browsers log.
  const { page } = await open(browser, `${server.url}/dashboard`);
  await page.getByRole("heading", { name: "The dashboard could not be read" }).waitFor();
  await page.getByRole("link", { name: "Restore a backup in the editor" }).click();
  await page.getByRole("button", { name: "Backups" }).click();
  await page.getByRole("button", { name: /^Restore the version of/ }).first().click();
  await page.getByRole("button", { name: "Edit Busy" }).waitFor();
  await page.getByText(/^Saved\./).waitFor();
  await page.getByRole("button", { name: "Widget", exact: true }).click();
  await page.locator("[data-card=new_chart]").getByText("No metric is chosen yet.").waitFor();
});
