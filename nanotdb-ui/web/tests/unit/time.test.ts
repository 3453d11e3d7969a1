import { describe, expect, test } from "vitest";
import { formatAge, formatDuration, parseDuration, spaced } from "../../src/time/duration";
import { type ClockStyle, formatClock, formatDateTime, formatStretch, fromInput, toInput } from "../../src/time/format";
import { bounds, panned, readRange, writeRange, zoomed } from "../../src/time/range";
import { twin } from "../../src/time/zone";
import { timeTicks } from "../../src/time/ticks";
import { offsetAt, toInstant } from "../../src/time/zone";

const HOUR = 3_600_000;
const BERLIN = { zone: "Europe/Berlin", hour12: false };
const UTC = { zone: "UTC", hour12: false };

describe("durations", () => {
  test.each([
    ["1h30m", 5_400_000],
    ["250ms", 250],
    ["7d", 604_800_000],
    ["2w", 1_209_600_000],
    ["1.5h", 5_400_000],
  ])("%s", (text, ms) => expect(parseDuration(text)).toBe(ms));

  test.each(["", "h", "1", "-5m", "1h 30m", "0s", "5x", "1h30"])("%j is none", (text) => expect(parseDuration(text)).toBeNull());

  test.each([5_400_000, 604_800_000, 1000, 86_400_000 + 61_000])("%d ms is read back", (ms) =>
    expect(parseDuration(formatDuration(ms))).toBe(ms),
  );

  test("ages have one unit", () => {
    expect([45_000, 300_000, 7_200_000, 259_200_000].map(formatAge)).toEqual(["45 s", "5 min", "2 h", "3 d"]);
    expect(formatAge(-5000)).toBe("0 s");
  });
});

const NOW = 1_777_600_000_000;
const read = (text: string) => readRange(new URLSearchParams(text), NOW);

describe("the range in the address", () => {
  test.each(["from=2026-05-01&to=2026-05-01", "from=-99999999999999&to=0", "from=0&to=9999999999999999", "from=5000000000000&to=1", "range=x"])("%j is none", (text) =>
    expect(read(text)).toEqual({ range: { kind: "auto" }, problem: expect.stringMatching(/.{10}/) }),
  );

  test("no length is too large to be shown", () => {
    const { range } = read("range=99999999d");
    expect(range.kind === "last" && range.ms).toBeLessThan(60 * 365 * 86_400_000);
    expect(timeTicks(...bounds(range, 1.8e12, HOUR), 10, UTC).length).toBeGreaterThan(3);
  });

  test.each(["", "range=6h", "from=1777593600000&to=1777597200000"])("%j survives", (text) => {
    const params = new URLSearchParams("other=1");
    writeRange(params, read(text).range);
    params.delete("other");
    expect(params.toString()).toBe(text);
  });

  test("nonsense is the default", () => {
    for (const text of ["range=abc", "from=1777593600000", "from=1777597200000&to=1777593600000", "from=x&to=y"]) {
      expect(read(text).range.kind).toBe("auto");
    }
  });

  test("what is read wrong says why", () => {
    const problem = (text: string) => read(text).problem ?? "";
    expect(problem("")).toBe("");
    expect(problem("range=abc")).toMatch(/range=abc is no length of time/);
    expect(problem("from=1777597200000&to=1777593600000")).toMatch(/later/);
    expect(problem("from=yesterday&to=now")).toMatch(/from=yesterday is no time/);
    expect(problem("from=now-1h&to=soon")).toMatch(/to=soon is no time/);
    expect(problem("to=now")).toMatch(/without from/);
    expect(problem("from=1777593600&to=1777597200")).toMatch(/1777593600 looks like seconds/);
  });

  test("years, and what other dashboards write", () => {
    expect(read("range=1y").range).toEqual({ kind: "last", ms: 365 * 86_400_000 });
    expect(read("range=5y").range).toEqual({ kind: "last", ms: 5 * 365 * 86_400_000 });
    for (const text of ["from=now-1h&to=now", "from=now-1h", "from=now - 1h&to=NOW"]) {
      expect(read(text)).toEqual({ range: { kind: "last", ms: HOUR }, problem: null });
    }
    expect(read("from=now-1y&to=now").range).toEqual({ kind: "last", ms: 365 * 86_400_000 });
    expect(read("from=now-2h&to=now-1h").range).toEqual({ kind: "fixed", from: NOW - 2 * HOUR, to: NOW - HOUR });
    expect(read(`from=${NOW - HOUR}&to=now`).range).toEqual({ kind: "fixed", from: NOW - HOUR, to: NOW });
  });

  test("bounds move with the clock unless they are fixed", () => {
    expect(bounds({ kind: "last", ms: 100 }, 1000, 50)).toEqual([900, 1000]);
    expect(bounds({ kind: "auto" }, 1000, 50)).toEqual([950, 1000]);
    expect(bounds({ kind: "fixed", from: 1, to: 2 }, 1000, 50)).toEqual([1, 2]);
  });

  test("zoom keeps its centre in place, pan keeps the width", () => {
    expect(zoomed([0, 1000], 0.5, 250)).toEqual([125, 625]);
    expect(zoomed([0, 1000], 2)).toEqual([-500, 1500]);
    expect(panned([0, 1000], -0.25)).toEqual([-250, 750]);
    const [from, to] = zoomed([0, 20], 1e-9);
    expect(to - from).toBeCloseTo(10);
  });
});

describe("time zones", () => {
  test("offsets change with the clocks", () => {
    expect(offsetAt(Date.UTC(2026, 0, 15), "Europe/Berlin")).toBe(HOUR);
    expect(offsetAt(Date.UTC(2026, 6, 15), "Europe/Berlin")).toBe(2 * HOUR);
    expect(offsetAt(Date.UTC(2026, 6, 15), "Asia/Kolkata")).toBe(5.5 * HOUR);
  });

  test("local times come back as instants", () => {
    for (const ms of [Date.UTC(2026, 0, 15, 3), Date.UTC(2026, 6, 15, 23, 59)]) {
      expect(toInstant(ms + offsetAt(ms, "Europe/Berlin"), "Europe/Berlin")).toBe(ms);
      expect(fromInput(toInput(ms, "Europe/Berlin"), "Europe/Berlin")).toBe(ms);
    }
  });

  test("clocks of 12 and 24 hours", () => {
    const noon = Date.UTC(2026, 4, 1, 12, 5, 9);
    expect(formatClock(noon, UTC)).toBe("12:05:09");
    expect(formatClock(noon, { zone: "UTC", hour12: true }, "minute")).toBe("12:05 pm");
    expect(formatClock(noon - 12 * HOUR, { zone: "UTC", hour12: true }, "minute")).toBe("12:05 am");
    expect(formatDateTime(noon, BERLIN)).toBe("1 May 2026 14:05:09");
  });
});

describe("marks of the time axis", () => {
  test("six hours stand on round local hours, midnight names the day", () => {
    const from = Date.UTC(2026, 4, 1, 20, 30);
    const labels = timeTicks(from, from + 12 * HOUR, 6, BERLIN).map(({ label }) => label);
    expect(labels).toEqual(["2 May", "02:00", "04:00", "06:00", "08:00", "10:00"].slice(0, labels.length));
  });

  test("they stay on round hours across the change of the clocks", () => {
    const from = Date.UTC(2026, 2, 28, 23); // Berlin springs forward on 29 March
    const labels = timeTicks(from, from + 24 * HOUR, 5, BERLIN).map(({ label }) => label);
    expect(labels).toEqual(["29 Mar", "06:00", "12:00", "18:00", "30 Mar"].slice(0, labels.length));
  });

  test("years are marked by months, each once, never more than asked", () => {
    const from = Date.UTC(2025, 3, 10);
    const ticks = timeTicks(from, from + 500 * 24 * HOUR, 6, UTC);
    expect(ticks.map(({ label }) => label)).toEqual(["Jul", "Oct", "2026", "Apr", "Jul"]);
    for (const span of [7, 999, 60_000, HOUR, 40 * HOUR, 9000 * HOUR, 900_000 * HOUR]) {
      const list = timeTicks(from, from + span, 8, BERLIN);
      expect(list.length).toBeLessThanOrEqual(9);
      expect(new Set(list.map(({ ms }) => ms)).size).toBe(list.length);
    }
  });

  test("an empty stretch has none", () => expect(timeTicks(5, 5, 8, UTC)).toEqual([]));
});

test("durations in texts have spaces", () => {
  expect(["24h", "1h30m", "250ms", "7d"].map(spaced)).toEqual(["24 h", "1 h 30 m", "250 ms", "7 d"]);
});

describe("the hour that comes twice", () => {
  const NEW_YORK: ClockStyle = { zone: "America/New_York", hour12: true };
  /** 2026-11-01: 1:30 EDT, and 1:30 EST an hour later. */
  const [first, second] = [Date.UTC(2026, 10, 1, 5, 30), Date.UTC(2026, 10, 1, 6, 30)];

  test("is told by the name of its time", () => {
    expect([first, second].map((ms) => formatClock(ms, NEW_YORK, "minute"))).toEqual(["1:30 am EDT", "1:30 am EST"]);
    expect([first - HOUR, second + HOUR].map((ms) => formatClock(ms, NEW_YORK, "minute"))).toEqual(["12:30 am", "2:30 am"]);
    // Half an hour, on Lord Howe.
    expect(formatClock(Date.UTC(2026, 3, 4, 14, 45), { zone: "Australia/Lord_Howe", hour12: false }, "minute")).toBe("01:45 GMT+11");
  });

  test("is read back as the one that was meant", () => {
    const text = toInput(first, NEW_YORK.zone);
    expect(toInput(second, NEW_YORK.zone)).toBe(text);
    expect([fromInput(text, NEW_YORK.zone), fromInput(text, NEW_YORK.zone, true)]).toEqual([first, second]);
    expect([twin(first, NEW_YORK.zone), twin(second, NEW_YORK.zone), twin(second + HOUR, NEW_YORK.zone)]).toEqual([second, first, null]);
  });
});

test("a stretch in few letters", () => {
  const now = Date.UTC(2026, 10, 30, 14);
  const of = (from: number, to: number) => formatStretch(from, to, UTC, now);
  expect(of(now - HOUR, now)).toBe("13:00 – 14:00");
  expect(of(now - 49 * HOUR, now - 48 * HOUR)).toBe("28 Nov 13:00 – 14:00");
  expect(of(now - 15 * HOUR, now - 13 * HOUR)).toBe("29 Nov 23:00 – 30 Nov 01:00");
  expect(of(Date.UTC(2025, 0, 1), Date.UTC(2025, 1, 1))).toBe("1 Jan 2025 – 1 Feb 2025");
});
