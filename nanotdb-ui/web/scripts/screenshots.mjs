// Screenshots of every page at 390 and 1440 px, dark and light, of a running server that has data.
//
//   node scripts/screenshots.mjs http://localhost:8428 [directory, default ../../docs/images] [part of a name]
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { launch, open } from "../tests/lib/browser.mjs";

const [base, out = new URL("../../../docs/images", import.meta.url).pathname, only = ""] = process.argv.slice(2);
if (!base) {
  console.error("usage: node scripts/screenshots.mjs URL [directory] [part of a name]");
  process.exit(2);
}
mkdirSync(out, { recursive: true });

const { databases } = await (await fetch(`${base}/api/v1/ui/catalog`)).json();
const db = databases[0]?.name ?? "demo";
const metrics = (databases[0]?.metrics ?? []).filter((name) => /^temp\.(out_dry|boiler|fridge)|^sys\.load1$/.test(name)).slice(0, 4);
const chosen = metrics.map((name) => `m=${encodeURIComponent(`${db}/${name}`)}`).join("&");

/** Address of each page, and what is done there before the picture is taken. */
const PAGES = {
  home: ["/?range=24h"],
  dashboard: ["/dashboard"],
  editor: [
    "/dashboard/edit",
    async (page, width) => {
      if (width > 1000) await page.getByRole("button", { name: /^Edit / }).nth(1).click();
    },
  ],
  explore: [`/explore?${chosen}&range=2d`],
  engine: ["/engine"],
  database: [`/engine?db=${encodeURIComponent(db)}`],
  api: ["/api-tester?endpoint=query_range", (page) => page.getByRole("button", { name: "Send" }).click()],
};

/** Everything is there: nothing loads, and charts that are in sight are drawn. */
async function settled(page) {
  await page.locator("h1").first().waitFor();
  await page.waitForFunction(() => {
    const inSight = (e) => e.getBoundingClientRect().top < innerHeight;
    const plots = [...document.querySelectorAll(".canvas")].filter(inSight);
    return !document.querySelector(".skeleton, [aria-busy=true]") && plots.every((plot) => plot.querySelector(".uplot"));
  });
  await page.getByRole("status").getByText("live").waitFor({ timeout: 10_000 }).catch(() => {});
  await page.waitForTimeout(300);
}

const browser = await launch();
let failed = false;
const made = [];
for (const theme of ["light", "dark"]) {
  for (const [width, height] of [[390, 844], [1440, 900]]) {
    for (const [name, [path, act]] of Object.entries(PAGES)) {
      const file = `${name}-${width}-${theme}.png`;
      if (!file.includes(only)) continue;
      const { page, context } = await open(browser, base + path, { width, height, theme, touch: width < 500 });
      try {
        await settled(page);
        await act?.(page, width);
        if (act) await settled(page);
        await page.screenshot({ path: `${out}/${file}`, animations: "disabled" });
        made.push(`${out}/${file}`);
        console.log(file);
      } catch (error) {
        failed = true;
        console.error(`${file}: ${error.message.split("\n")[0]}`);
      }
      await context.close();
    }
  }
}
await browser.close();
// A third of the size, where the tool is installed (Debian: pngquant).
if (made.length > 0) spawnSync("pngquant", ["--force", "--ext", ".png", "--speed", "1", "--strip", ...made], { stdio: "inherit" });
process.exit(failed ? 1 : 0);
