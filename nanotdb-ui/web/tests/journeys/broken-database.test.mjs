import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { chartState, open } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";

journey("a database that cannot be read is named everywhere, with the reason", async ({ server, browser }) => {
  await server.import(["good/room.temp 21.5", "bad/room.temp 21.5"]);
  await server.kill();
  writeFileSync(join(server.dir, "bad", "manifest.toml"), "[page\n");
  await server.run({ healthy: false });
  const { page, check } = await open(browser, `${server.url}/`);
  await chartState(page);
  await page.locator("dl.strip").getByText("bad cannot be read").waitFor();
  const notice = page.getByRole("alert").filter({ hasText: "Database bad cannot be read" });
  assert.match(await notice.innerText(), /manifest\.toml: line 1/);

  await page.goto(`${server.url}/explore`);
  await page.getByText("bad cannot be read").waitFor();
  await page.getByRole("link", { name: "bad" }).click();
  const why = page.getByRole("alert").filter({ hasText: "Database bad cannot be read" });
  await why.waitFor();
  assert.match(await why.innerText(), /manifest\.toml: line 1/);
  assert.equal(await page.getByText("Nothing is on the disk yet").count(), 0);
  await page.goto(`${server.url}/engine`);
  await page.getByRole("group", { name: "Databases" }).getByText("cannot be read").waitFor();
  check();
});
