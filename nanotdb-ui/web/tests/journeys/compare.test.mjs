import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { chartState, open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";
import { series } from "../lib/nanotdb.mjs";

journey("Explore shows the same time a day earlier beside the present", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / 10_000) * 10_000;
  const day = 86_400_000;
  const from = now - 3_600_000;
  await server.import(series("demo/cpu.busy_pct", from - day, now - day, 10_000, () => 10.5));
  await server.import(series("demo/cpu.busy_pct", from, now, 10_000, () => 30.5));
  const { page, check } = await open(browser, `${server.url}/explore?m=demo/cpu.busy_pct&from=${from}&to=${now}`);
  await until("data", async () => (await chartState(page)).rows === 360);
  await page.getByLabel("Compare with an earlier time").selectOption({ label: "with 1 d earlier" });
  await until("the address", () => page.url().includes("compare=1d"));
  const earlier = page.getByRole("list", { name: "Lines" }).getByRole("button", { name: /1 d earlier/ });
  await earlier.getByText("10.5 %").waitFor();
  // Both at the same times.
  assert.equal((await chartState(page)).rows, 360);
  await page.getByRole("button", { name: /^Actions of/ }).click();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save CSV" }).click()]);
  const [head, first] = readFileSync(await download.path(), "utf8").split("\r\n");
  assert.equal(head, "time,demo/cpu.busy_pct,demo/cpu.busy_pct 1 d earlier");
  assert.equal(first, `${new Date(from).toISOString()},30.5,10.5`);
  await page.reload();
  await earlier.getByText("10.5 %").waitFor();
  check();
});
