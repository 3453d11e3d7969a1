// A Raspberry Pi that collects, the server that stores, the dashboard that shows: nothing between them is made up, but for
// the files that stand for /proc and /sys of a Pi, whose counters go on while the test runs.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open, until } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";

/** The release binary, unless DRIP names another. */
const DRIP = process.env.DRIP ?? new URL("../../../../target/release/drip", import.meta.url).pathname;
const TREE = new URL("../../../../drip/tests/trees/pi3/a", import.meta.url).pathname;

/** A Pi 3 whose counters move by so much per step. */
class Pi {
  constructor() {
    this.dir = mkdtempSync(join(tmpdir(), "drip-pi-"));
    cpSync(TREE, this.dir, { recursive: true });
    // In the recorded tree one of five sensors is broken. That is another test's matter.
    rmSync(join(this.dir, "sys/bus/w1/devices/28-0616d3f65e21"), { recursive: true });
  }

  /** Replaces a file as a whole: drip never sees half of it. */
  edit(path, change) {
    const file = join(this.dir, path);
    writeFileSync(`${file}.new`, change(readFileSync(file, "utf8")));
    renameSync(`${file}.new`, file);
  }

  step() {
    const add = (line, from, amounts) => {
      const fields = line.trim().split(/\s+/);
      amounts.forEach((amount, i) => (fields[from + i] = String(BigInt(fields[from + i]) + BigInt(amount))));
      return fields.join(" ");
    };
    // user, nice, system, idle, iowait: a quarter busy.
    this.edit("proc/stat", (text) => text.replace(/^cpu .*$/m, (line) => add(line, 1, [20, 0, 5, 74, 1])));
    // reads, merged, sectors, ms, writes, merged, sectors, ms, in progress, ms, weighted ms
    this.edit("proc/diskstats", (text) => text.replace(/^.* mmcblk0 .*$/m, (line) => add(line, 3, [2, 0, 64, 4, 9, 1, 256, 30, 0, 25, 34])));
    this.edit("proc/net/dev", (text) =>
      text
        .replace(/^ *eth0:.*$/m, (line) => add(line, 1, [40960, 60, 0, 0, 0, 0, 0, 0, 20480, 30]))
        .replace(/^ *wlan0:.*$/m, (line) => add(line, 1, [4096, 8, 0, 0, 0, 0, 0, 0, 2048, 4])),
    );
  }

  /** Collects every half second and sends to `url`, until it is closed. */
  collect(url) {
    const config = `server_url = "${url}"\ncollection_interval_ms = 500\nroot = "${this.dir}"\n[spool]\ndir = "${join(this.dir, "spool")}"\n` +
      `[collectors.sd_write_probe]\nevery = 2\n[collectors.onewire.names]\n"28-0316a2791aff" = "office"\n`;
    writeFileSync(join(this.dir, "drip.toml"), config);
    this.process = spawn(DRIP, ["--config", join(this.dir, "drip.toml")], { stdio: ["ignore", "ignore", "pipe"] });
    this.log = "";
    this.process.stderr.on("data", (data) => (this.log += data));
    this.timer = setInterval(() => this.step(), 250);
  }

  async close() {
    clearInterval(this.timer);
    if (this.process && this.process.exitCode === null && this.process.signalCode === null) {
      const ended = new Promise((resolve) => this.process.once("exit", resolve));
      this.process.kill("SIGTERM");
      await ended;
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** The newest value of a metric, or null. */
async function last(server, metric) {
  const answer = await (await fetch(`${server.url}/api/v1/query?db=metrics&query=${metric}`)).json();
  return answer.data.result[0] ? Number(answer.data.result[0].value[1]) : null;
}

/** Every widget of a page of the dashboard has values: numbers are numbers, charts have points and each line a last value. */
async function assertFilled(page, titles) {
  for (const title of titles) {
    const panel = page.getByRole("region", { name: title, exact: true });
    await panel.waitFor();
    await until(`${title} is filled`, async () => {
      const text = await panel.innerText();
      if (/no samples|no data/i.test(text)) return false;
      const values = await panel.locator("li strong").allInnerTexts();
      if (values.length > 0) return values.every((value) => /\d/.test(value));
      const legend = await panel.locator(".legend .value").allInnerTexts();
      const plot = panel.locator(".uplot");
      const rows = (await plot.count()) > 0 ? Number(await plot.first().getAttribute("data-rows")) : 0;
      return rows > 0 && legend.length > 0 && legend.every((value) => /\d/.test(value));
    });
  }
}

journey("drip fills the default dashboard of a Raspberry Pi", async ({ server, browser }) => {
  const pi = new Pi();
  try {
    pi.collect(server.url);
    await until("some cycles are stored", async () => (await last(server, "drip.cycles")) >= 8, 60_000);
    const { page, check } = await open(browser, `${server.url}/dashboard`);
    await assertFilled(page, ["Now", "CPU busy", "Memory", "Load", "Temperature"]);
    const now = page.getByRole("region", { name: "Now", exact: true });
    // 48686 thousandths of a degree, 600000 kHz, 524416 kB, 361234 s, as the tree has them.
    for (const text of ["48.69 °C", "600 MHz", "512.1 MiB", "4.18 d", "0.12"]) await now.getByText(text).first().waitFor();
    // The counters of step(): 25 of 100 ticks were neither idle nor waiting for the card.
    assert.equal(await last(server, "cpu.busy_pct"), 25);
    if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, "drip-overview.png") });
    await page.getByRole("link", { name: "Storage" }).click();
    await assertFilled(page, ["Disk", "Disk mmcblk0", "Disk mmcblk0 busy", "SD card write time"]);
    // 5447006 blocks of 4096 bytes.
    await page.getByRole("region", { name: "Disk", exact: true }).getByText("20.78 GiB").waitFor();
    if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, "drip-storage.png") });
    await page.getByRole("link", { name: "Network" }).click();
    await assertFilled(page, ["Network eth0", "Network wlan0"]);
    if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, "drip-network.png") });
    check();
    assert.match(pi.log, /^drip: \S+ collects every 500ms for database metrics at \S+\n$/, "nothing else to tell");
  } finally {
    await pi.close();
  }
});

journey("the server is stopped while a Pi collects, and no cycle is missing afterwards", async ({ server, browser }) => {
  const pi = new Pi();
  try {
    pi.collect(server.url);
    await until("some cycles are stored", async () => (await last(server, "drip.cycles")) >= 4, 60_000);
    await server.kill();
    await until("drip noticed", () => pi.log.includes("does not answer"));
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await server.run();
    await until("it is back", () => pi.log.includes("answers again"), 60_000);
    const query = `${server.url}/api/v1/query_range?db=metrics&query=drip.cycles&start=-1h`;
    const cycles = (await (await fetch(query)).json()).data.result[0].values.map(([, n]) => Number(n));
    assert.deepEqual(cycles, cycles.map((_, i) => i + 1), "every cycle once");
    const { page, check } = await open(browser, `${server.url}/dashboard`);
    await assertFilled(page, ["Now", "Load"]);
    check();
  } finally {
    await pi.close();
  }
});
