// How long a page takes to show its charts with a CPU six times slower.
//
// The bar is for an idle machine, and tests often share theirs with builds. So the machine is asked first, in the same
// browser: equal pieces of work that take unequally long say that something else runs. Where the machine was idle in most runs
// the clock is judged. Where it was not, the processor time of the page's main thread is, against the same bar: others do not
// add to it, beyond slowing a shared core.

const THROTTLE = 6;
/** Mean over shortest of equal pieces of work: 1 when nothing else runs. */
const IDLE = 1.15;

/** How much longer than the short ones equal pieces of work take in the mean. */
async function disturbanceOf(page) {
  return page.evaluate(() => {
    const piece = () => {
      const start = performance.now();
      let x = 1;
      for (let i = 0; i < 400_000; i++) x = (x * 31 + i) | 0;
      return performance.now() - start + (x === 0.5 ? 1 : 0);
    };
    for (let i = 0; i < 20; i++) piece();
    const times = Array.from({ length: 200 }, piece).sort((a, b) => a - b);
    return times.reduce((sum, ms) => sum + ms, 0) / times.length / times[Math.floor(times.length / 10)];
  });
}

/** Notes in the page when so many charts are there and painted, without asking it again and again meanwhile. */
export function noteCharts(count) {
  const found = document.getElementsByClassName("uplot");
  new MutationObserver((_, observer) => {
    if (found.length < count) return;
    observer.disconnect();
    requestAnimationFrame(() =>
      setTimeout(() => {
        performance.mark("charts");
        globalThis.chartsAt = performance.now();
        globalThis.chartsShown?.("");
      }),
    );
  }).observe(document, { childList: true, subtree: true });
}

/** Milliseconds of the processor that the main thread which set the mark "charts" used until then. */
function processorTime(events) {
  const mark = events.find(({ name, cat }) => name === "charts" && cat.includes("blink.user_timing"));
  const tasks = events.filter((e) => e.pid === mark.pid && e.tid === mark.tid && e.name === "ThreadControllerImpl::RunTask" && e.ts < mark.ts);
  return tasks.reduce((sum, { tdur = 0 }) => sum + tdur, 0) / 1000;
}

/** Opens `url` on a page that is still blank and waits for so many charts. */
export async function timed(browser, context, page, url, charts) {
  const cdp = await context.newCDPSession(page);
  const root = await browser.newBrowserCDPSession();
  const events = [];
  root.on("Tracing.dataCollected", ({ value }) => events.push(...value));
  const before = await disturbanceOf(page);
  await cdp.send("Emulation.setCPUThrottlingRate", { rate: THROTTLE });
  await page.addInitScript(noteCharts, charts);
  // The page tells it by itself: to be asked, it would have to run a script of the test's library first.
  const shown = new Promise((resolve) => cdp.once("Runtime.bindingCalled", resolve));
  await cdp.send("Runtime.enable");
  await cdp.send("Runtime.addBinding", { name: "chartsShown" });
  await root.send("Tracing.start", { transferMode: "ReportEvents", traceConfig: { includedCategories: ["toplevel", "blink.user_timing"] } });
  await page.goto(url, { waitUntil: "commit" });
  await shown;
  const ended = new Promise((resolve) => root.once("Tracing.tracingComplete", resolve));
  await root.send("Tracing.end");
  await ended;
  const wall = await page.evaluate(() => globalThis.chartsAt);
  await cdp.send("Emulation.setCPUThrottlingRate", { rate: 1 });
  const after = await disturbanceOf(page);
  return { wall, cpu: processorTime(events), disturbance: Math.max(before, after) };
}

const median = (list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];

/** What is held against the bar of `most` milliseconds, and whether it passes. */
export function judged(runs, most) {
  const idle = runs.filter(({ disturbance }) => disturbance < IDLE);
  if (idle.length * 2 > runs.length) {
    const ms = median(idle.map(({ wall }) => wall));
    return { passes: ms < most, text: `${ms.toFixed(0)} of ${most} ms, by the clock of an idle machine` };
  }
  const ms = median(runs.map(({ cpu }) => cpu));
  return { passes: ms < most, text: `${ms.toFixed(0)} of ${most} ms, by the processor time of the main thread, since the machine is busy` };
}

export function describe(runs) {
  const list = (pick, digits = 0) => runs.map((run) => pick(run).toFixed(digits)).join(", ");
  return `clock ${list(({ wall }) => wall)} ms; main thread ${list(({ cpu }) => cpu)} ms; disturbance ${list((r) => r.disturbance, 2)}`;
}
