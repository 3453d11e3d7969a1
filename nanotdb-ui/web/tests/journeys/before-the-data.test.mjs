import assert from "node:assert/strict";
import { open } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";

journey("a dashboard that is open before its metrics exist shows them once they come", async ({ server, browser }) => {
  const config = {
    title: "Test",
    default_db: "host",
    groups: [{ id: "all", label: "All", widgets: ["numbers", "chart"] }],
    widgets: {
      numbers: { type: "numbers", title: "Now", series: [{ label: "Load", metric: "sys.load1" }] },
      chart: { type: "line_chart", title: "Load", series: [{ label: "Load", metric: "sys.load1" }] },
    },
  };
  const put = await fetch(`${server.url}/api/dashboard-config`, {
    method: "PUT",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(config),
  });
  assert.equal(put.status, 200);
  const { page, check } = await open(browser, `${server.url}/dashboard`);
  await page.getByText("No sample was sent to this server yet.").waitFor();
  await page.getByRole("region", { name: "Now" }).getByText('there is no database "host"').waitFor();
  await server.import(["host/sys.load1 1.25"]);
  await page.getByRole("region", { name: "Now" }).getByText("1.25").waitFor({ timeout: 10_000 });
  await page.getByRole("region", { name: "Load" }).getByText("1.25").waitFor({ timeout: 10_000 });
  await page.getByText("No sample was sent to this server yet.").waitFor({ state: "detached" });
  // And they go on live.
  await server.import(["host/sys.load1 2.75"]);
  await page.getByRole("region", { name: "Now" }).getByText("2.75").waitFor({ timeout: 10_000 });
  check();
});
