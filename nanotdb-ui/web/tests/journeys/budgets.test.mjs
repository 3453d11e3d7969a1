import assert from "node:assert/strict";
import { open, until, chartState } from "../lib/browser.mjs";
import { journey } from "../lib/journey.mjs";
import { series } from "../lib/nanotdb.mjs";
import { describe, judged, noteCharts, timed } from "../lib/timing.mjs";

/** Some of what drip sends: on Home and on the default dashboard. */
const HOST = ["cpu.busy_pct", "temp.cpu", "mem.free", "mem.available", "sys.load1", "net.eth0.rx_bytes", "diskfs.root.used_pct", "disk.sda.reads"];

function host(now) {
  return HOST.flatMap((name) => series(`host/${name}`, now - 3_600_000, now, 10_000, (i) => (i * 37) % 1000));
}

/** A page that has not asked for anything yet. */
const blank = (browser, server) => open(browser, "about:blank", { host: new URL(server.url).host });

/** Requests and bytes over the network since it was made. */
async function meter(context, page) {
  const cdp = await context.newCDPSession(page);
  await cdp.send("Network.enable");
  /** Times of requests, by the clock, and bytes as they came. */
  const began = [];
  const total = {
    bytes: 0,
    get requests() {
      return began.length;
    },
    /** What was asked for up to a time, with everything that came for it. */
    until(ms) {
      const early = began.filter(({ at }) => at <= ms);
      return { requests: early.length, bytes: early.reduce((sum, { bytes }) => sum + bytes, 0) };
    },
  };
  const streams = new Set();
  const count = (id, bytes) => {
    total.bytes += bytes;
    const request = began.find((one) => one.id === id);
    if (request) request.bytes += bytes;
  };
  cdp.on("Network.requestWillBeSent", ({ requestId, type, wallTime }) => {
    began.push({ id: requestId, at: wallTime * 1000, bytes: 0 });
    if (type === "EventSource") streams.add(requestId);
  });
  // A stream does not end while it is measured: what came of it counts as it comes.
  cdp.on("Network.dataReceived", ({ requestId, dataLength }) => {
    if (streams.has(requestId)) count(requestId, dataLength);
  });
  cdp.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    if (!streams.has(requestId)) count(requestId, encodedDataLength);
  });
  return { total, cdp };
}

journey("the first chart takes 6 requests and 90 KB, on Home and on the dashboard", async ({ server, browser }) => {
  await server.import(host(Math.floor(Date.now() / 1000) * 1000));
  const series = HOST.map((metric) => ({ metric }));
  const config = { title: "Test", default_db: "host", groups: [{ id: "a", widgets: ["all"] }], widgets: { all: { type: "line_chart", title: "All", lookback: "1h", series } } };
  const put = { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(config) };
  assert.equal((await fetch(`${server.url}/api/dashboard-config`, put)).status, 200);
  for (const path of ["/", "/dashboard"]) {
    const { page, context, check } = await blank(browser, server);
    const { total } = await meter(context, page);
    await page.addInitScript(noteCharts, 1);
    await page.goto(server.url + path);
    await page.waitForFunction(() => globalThis.chartsAt);
    const first = total.until(await page.evaluate(() => performance.timeOrigin + globalThis.chartsAt));
    console.log(`# ${path}: ${first.requests} requests, ${(first.bytes / 1000).toFixed(1)} KB to the first chart`);
    assert.ok(first.requests <= 6, `${first.requests} requests`);
    assert.ok(first.bytes <= 90_000, `${first.bytes} bytes`);
    check();
  }
});

journey("the first chart within 1.2 s on a sixfold slower CPU, median of 5", async ({ server, browser }) => {
  await server.import(host(Math.floor(Date.now() / 1000) * 1000));
  const runs = [];
  for (let i = 0; i < 5; i++) {
    const { page, context } = await blank(browser, server);
    runs.push(await timed(browser, context, page, `${server.url}/`, 1));
    await context.close();
  }
  const { passes, text } = judged(runs, 1200);
  console.log(`# first chart: median ${text} (${describe(runs)})`);
  assert.ok(passes, text);
});

journey("an idle minute takes 6 requests and 20 KB, a hidden tab nothing", async ({ server, browser }) => {
  await server.import(host(Math.floor(Date.now() / 1000) * 1000));
  const { page, context, check } = await blank(browser, server);
  const { total } = await meter(context, page);
  await page.goto(`${server.url}/`);
  await until("a chart", async () => (await chartState(page)).rows > 50);
  await page.waitForTimeout(3000);
  const start = { ...total };
  for (let i = 0; i < 6; i++) {
    await server.import(HOST.map((name) => `host/${name} ${i + 25}`));
    await page.waitForTimeout(10_000);
  }
  const minute = { requests: total.requests - start.requests, bytes: total.bytes - start.bytes };
  console.log(`# idle minute: ${minute.requests} requests, ${(minute.bytes / 1000).toFixed(1)} KB`);
  assert.ok(minute.bytes > 0, "the stream is counted");
  assert.ok(minute.requests <= 6 && minute.bytes <= 20_000, JSON.stringify(minute));
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { value: true, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  const before = { ...total };
  await page.waitForTimeout(15_000);
  assert.deepEqual([total.requests, total.bytes], [before.requests, before.bytes], "a hidden tab asks for nothing and gets nothing");
  check();
});

journey("4,000 live updates leave heap and document as they were", async ({ server, browser }) => {
  const now = Math.floor(Date.now() / 1000) * 1000;
  await server.import(series("host/cpu.busy_pct", now - 300_000, now, 1000, (i) => (i % 100) + 0.5));
  const { page, context, check } = await open(browser, `${server.url}/?range=5m`);
  await until("a chart", async () => (await chartState(page)).rows > 50);
  const cdp = await context.newCDPSession(page);
  // What is kept: garbage that is only found in a second or third round (what was waiting for a frame, code that is not used any more) is
  // none of it.
  const measure = async () => {
    let heap = Infinity;
    for (let round = 0; round < 5; round += 1) {
      await cdp.send("HeapProfiler.collectGarbage");
      heap = Math.min(heap, await page.evaluate(() => performance.memory.usedJSHeapSize));
      await page.waitForTimeout(200);
    }
    return { heap, nodes: await page.evaluate(() => document.querySelectorAll("*").length) };
  };
  // The points of a warm-up are not counted: the code they run is compiled and its caches are filled.
  const send = async (count) => {
    for (let sent = 0; sent < count; sent += 10) {
      await server.import(Array.from({ length: 10 }, (_, k) => `host/cpu.busy_pct ${(sent + k) % 97}.5 ${BigInt(Date.now()) * 1_000_000n + BigInt(k)}`));
      await page.waitForTimeout(20);
    }
    await page.waitForTimeout(3000);
  };
  await send(500);
  const before = await measure();
  await send(4000);
  const after = await measure();
  console.log(`# heap ${before.heap} -> ${after.heap}, nodes ${before.nodes} -> ${after.nodes}`);
  assert.ok(after.heap < before.heap * 1.1, "heap");
  assert.equal(after.nodes, before.nodes);
  check();
});
