// Prints the compressed sizes of dist and fails when one is over its budget. Run after `npm run build`.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

const dist = new URL("../dist/", import.meta.url).pathname;
/** KB as compressed with brotli: script and style of the first page, and both with the page and its icon. */
const BUDGETS = { js: 60, css: 10, first: 90 };

const page = readFileSync(join(dist, "index.html"), "utf8");
const first = new Set([...page.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path.slice(1)));
first.add("index.html");

const sizes = readdirSync(dist, { recursive: true, encoding: "utf8" })
  .filter((name) => statSync(join(dist, name)).isFile() && !/\.(br|gz)$|^\./.test(name))
  .map((name) => {
    const size = (end) => statSync(join(dist, name + end), { throwIfNoEntry: false })?.size ?? statSync(join(dist, name)).size;
    return { name, plain: size(""), gzip: size(".gz"), brotli: size(".br"), first: first.has(name) };
  });

const kb = (bytes) => (bytes / 1000).toFixed(1).padStart(7);
console.log("  plain KB    gzip  brotli  first");
for (const { name, plain, gzip, brotli, first } of sizes) console.log(`  ${kb(plain)} ${kb(gzip)} ${kb(brotli)}  ${first ? "yes" : "   "}  ${name}`);

const sum = (test) => sizes.filter((file) => file.first && test(file.name)).reduce((total, file) => total + file.brotli, 0) / 1000;
const found = { js: sum((name) => name.endsWith(".js")), css: sum((name) => name.endsWith(".css")), first: sum(() => true) };
let over = false;
for (const [name, budget] of Object.entries(BUDGETS)) {
  const state = found[name] <= budget ? "ok" : "OVER";
  over ||= found[name] > budget;
  console.log(`${name.padEnd(6)} ${found[name].toFixed(1)} of ${budget} KB ${state}`);
}
process.exit(over ? 1 : 0);
