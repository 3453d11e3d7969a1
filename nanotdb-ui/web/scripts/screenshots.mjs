// Screenshots of every page at 390 and 1440 px, dark and light, of a running server that has data.
//
//   node scripts/screenshots.mjs http://localhost:8428 [directory, default ../../docs/screenshots] [part of a name]
import { mkdirSync } from "node:fs";
import { launch, open } from "../tests/lib/browser.mjs";

const [base, out = new URL("../../../docs/screenshots", import.meta.url).pathname, only = ""] = process.argv.slice(2);
if (!base) {
  console.error("usage: node scripts/screenshots.mjs URL [directory] [part of a name]");
  process.exit(2);
}
mkdirSync(out, { recursive: true });

const { databases } = await (await fetch(`${base}/api/v1/ui/catalog`)).json();
const db = databases[0]?.name ?? "demo";
const metrics = (databases[0]?.metrics ?? []).filter((name) => /busy_pct|temp\.cpu|load1$/.test(name)).slice(0, 3);
const PAGES = {
  home: "/",
  dashboard: "/dashboard",
  editor: "/dashboard/edit",
  explore: `/explore?${metrics.map((name) => `m=${encodeURIComponent(`${db}/${name}`)}`).join("&")}&range=24h`,
  engine: "/engine",
  database: `/engine?db=${encodeURIComponent(db)}`,
  api: "/api-tester?endpoint=query_range",
};

const browser = await launch();
for (const theme of ["light", "dark"]) {
  for (const [width, height] of [[390, 844], [1440, 900]]) {
    const { page, context } = await open(browser, `${base}/api-tester`, { width, height, theme, touch: width < 500 });
    for (const [name, path] of Object.entries(PAGES)) {
      const file = `${name}-${width}-${theme}.png`;
      if (!file.includes(only)) continue;
      await page.goto(base + path);
      await page.waitForTimeout(1200);
      if (name === "editor" && width > 1000) await page.getByRole("button", { name: /^Edit / }).first().click();
      if (name === "api") await page.getByRole("button", { name: "Send" }).click();
      await page.waitForTimeout(400);
      await page.screenshot({ path: `${out}/${file}` });
      console.log(file);
    }
    await context.close();
  }
}
await browser.close();
