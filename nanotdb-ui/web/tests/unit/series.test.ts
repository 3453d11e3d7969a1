import type { BatchAnswer } from "../../src/api/types";
import { describe, expect, test } from "vitest";
import { align } from "../../src/series/align";
import { legendRows } from "../../src/charts/export";
import { families, inOrder, matching, shares, shortNames } from "../../src/series/family";
import { fold, trim } from "../../src/series/fold";
import { finder } from "../../src/series/fuzzy";
import { gaps } from "../../src/series/gaps";
import { decoderOf, movedBy, type Series } from "../../src/series/model";
import { comingIn } from "../../src/series/rate";
import { digitsOf, endsOf, statsOf } from "../../src/series/stats";
import { csvOf, tableOf } from "../../src/series/table";
import { type Display, displayOf, formatShown, PLAIN, shown, WRITTEN } from "../../src/scale/units";
import { level } from "../../src/series/tree";

function decodeAll(answer: BatchAnswer) {
  const decode = decoderOf(answer);
  return answer.series.map((_, i) => decode(i));
}

const same = (v: number) => v;
const samples = (t: number[], v: (number | null)[], intervalMs: number | null = 10): Series => ({
  type: "float32",
  intervalMs,
  last: t.length > 0 ? { t: t[t.length - 1], v: v[v.length - 1] } : null,
  stepMs: 0,
  aggregated: false,
  t,
  v,
});
const buckets = (t0: number, step: number, n: number[], v: (number | null)[], min = v, max = v): Series => ({
  ...samples([], []),
  stepMs: step,
  t: n.map((_, i) => t0 + i * step),
  v: [...v],
  min: [...min],
  max: [...max],
  n,
});

describe("batch answers", () => {
  test("times are differences, columns are shared, errors stand in place", () => {
    const base = { type: "int32", interval_ms: 10, last: [130, 3] as [number, number] };
    const decoded = decodeAll({
      now_ms: 200,
      times: [[100, 10, 20]],
      series: [
        { ...base, kind: "raw", times: 0, v: [1, 2, 3] },
        { ...base, kind: "buckets", t0: 100, step_ms: 50, n: [1, 0], min: [1, null], avg: [1, null], max: [1, null] },
        { ...base, kind: "last" },
        { error: { type: "not_found", message: "no such metric" } },
      ],
    });
    expect(decoded[0]).toMatchObject({ series: { t: [100, 110, 130], v: [1, 2, 3], stepMs: 0, last: { t: 130, v: 3 } } });
    expect(decoded[1]).toMatchObject({ series: { t: [100, 150], v: [1, null], n: [1, 0], stepMs: 50 } });
    expect(decoded[2]).toMatchObject({ series: { t: [] } });
    expect(decoded[3]).toEqual({ error: { type: "not_found", message: "no such metric" } });
  });

  test("series that share a column of times do not share their live points", () => {
    const base = { type: "int32", interval_ms: 10, last: [100, 1] as [number, number], kind: "raw" as const, times: 0 };
    const decoded = decodeAll({ now_ms: 0, times: [[100]], series: [{ ...base, v: [1] }, { ...base, v: [5] }] });
    const [one, two] = decoded.map((d) => ("series" in d ? d.series : samples([], [])));
    fold(one, 110, 2, false);
    expect([one.t, two.t]).toEqual([[100, 110], [100]]);
  });
});

describe("gaps", () => {
  test("three intervals without a sample are one", () => {
    expect(gaps(samples([0, 10, 20, 60, 70], [1, 1, 1, 1, 1]))).toEqual([[20, 60]]);
    expect(gaps(samples([0, 10, 20, 50], [1, 1, 1, 1]))).toEqual([]);
  });

  test("the interval is taken from the samples when it is not told", () => {
    expect(gaps(samples([0, 10, 20, 90, 100], [1, 1, 1, 1, 1], null))).toEqual([[20, 90]]);
    expect(gaps(samples([0, 1000], [1, 1], null))).toEqual([]);
  });

  test("samples that came more rarely once are no gaps, but a pause among them is", () => {
    const rare = Array.from({ length: 20 }, (_, i) => i * 10_000);
    const often = Array.from({ length: 20 }, (_, i) => 200_000 + i * 2000);
    const t = [...rare, ...often];
    expect(gaps(samples(t, t.map(() => 1), 2000))).toEqual([]);
    const paused = t.filter((ms) => ms < 80_000 || ms > 120_000);
    expect(gaps(samples(paused, paused.map(() => 1), 2000))).toEqual([[70_000, 130_000]]);
  });

  test("empty buckets are one, unless samples lie further apart than buckets", () => {
    const series = buckets(0, 100, [1, 0, 0, 0, 1], [1, null, null, null, 1]);
    expect(gaps({ ...series, intervalMs: 10 })).toEqual([[0, 400]]);
    expect(gaps({ ...series, intervalMs: 200 })).toEqual([]);
  });
});

describe("series on one time column", () => {
  test("a gap ends the line on all rows inside of it, another series' rows do not", () => {
    const one = samples([0, 10, 20, 100, 110], [1, 2, 3, 4, 5]);
    const two = samples([0, 15, 30, 45, 60, 75, 90, 105], [1, 1, 1, 1, 1, 1, 1, 1], 15);
    const { t, columns } = align([{ series: one, convert: same }, { series: two, convert: (v) => v * 2 }]);
    const at = (k: number, ms: number) => columns[k].v[t.indexOf(ms)];
    expect([at(0, 15), at(0, 30), at(0, 60), at(0, 90)]).toEqual([undefined, null, null, null]);
    expect([at(0, 105), at(1, 15), at(1, 60)]).toEqual([undefined, 2, 2]);
    expect(columns[1].v).not.toContain(null);
    expect(t).toEqual([...t].sort((a, b) => a - b));
  });

  test("buckets are drawn in their middle with their bounds, a spike of one sample included", () => {
    const { t, columns } = align([{ series: buckets(0, 100, [9, 9], [1, 2], [0, 1], [1, 99]), convert: same }]);
    expect(t).toEqual([50, 150]);
    expect(columns[0]).toEqual({ v: [1, 2], min: [0, 1], max: [1, 99] });
  });
});

describe("live points", () => {
  test("samples are appended once", () => {
    const series = samples([0, 10], [1, 2]);
    expect(fold(series, 20, 3, false)).toBe(true);
    expect(fold(series, 20, 9, false)).toBe(false);
    expect(series.v).toEqual([1, 2, 3]);
    expect(series.last).toEqual({ t: 20, v: 3 });
  });

  test("the last bucket gets them, new ones are made, with the empty ones between", () => {
    const series = buckets(0, 100, [2], [10], [5], [15]);
    fold(series, 50, 40, false);
    fold(series, 310, 7, false);
    expect(series.t).toEqual([0, 100, 200, 300]);
    expect(series.v).toEqual([20, null, null, 7]);
    expect([series.min, series.max, series.n]).toEqual([[5, null, null, 7], [40, null, null, 7], [3, 0, 0, 1]]);
  });

  test("rates come from the difference; a reset counter gives none", () => {
    const series = { ...samples([], []), last: { t: 1000, v: 100 } };
    fold(series, 3000, 150, true);
    fold(series, 4000, 10, true);
    fold(series, 5000, 30, true);
    expect([series.t, series.v]).toEqual([[3000, 5000], [25, 20]]);
  });

  test("memory stays bounded over many updates", () => {
    const series = samples([], []);
    for (let i = 1; i <= 4000; i++) {
      fold(series, i * 1000, i, false);
      trim(series, i * 1000 - 300_000);
    }
    expect(series.t.length).toBeLessThan(300 + 2 + 32);
    expect(series.v.at(-1)).toBe(4000);
    expect(series.t[0]).toBeLessThanOrEqual(3_700_000);
  });
});

describe("numbers and tables", () => {
  const series = buckets(0, 100, [1, 3, 0], [10, 20, null], [10, 15, null], [10, 30, null]);

  test("statistics weigh buckets by their counts", () => {
    expect(statsOf(series)).toEqual({ count: 4, min: 10, avg: 17.5, max: 30, first: 10, last: 20 });
    expect(statsOf(series, 100, 500).count).toBe(3);
    expect(statsOf(samples([], [])).avg).toBeNull();
  });

  test("the ends of a stretch are samples, however wide its buckets are", () => {
    const ends = { first: { t: 3, v: 7 }, last: { t: 190, v: 90 } };
    // 100 samples from 7 to 90: the average of the first bucket says nothing about the first of them.
    const narrow: Series = { ...samples([0, 100], [20, 80]), stepMs: 100, n: [50, 50], min: [7, 60], max: [40, 90], ends, last: ends.last };
    const wide: Series = { ...samples([0], [50]), stepMs: 200, n: [100], min: [7], max: [90], ends, last: ends.last };
    for (const series of [narrow, wide]) expect(endsOf(series, 0, 200)).toEqual({ first: 7, last: 90 });
    // The newest of the metric where the stretch reaches to it, live ones too, and not where it ends before.
    expect(endsOf({ ...wide, last: { t: 195, v: 95 } }, 0, 200)).toEqual({ first: 7, last: 95 });
    expect(endsOf({ ...wide, last: { t: 900, v: 95 } }, 0, 200)).toEqual({ first: 7, last: 90 });
    expect(endsOf(samples([50, 100, 150, 250], [1, null, 3, 4]), 100, 200)).toEqual({ first: 3, last: 3 });
    expect(endsOf(samples([50, 100, 150, 250], [1, 2, 3, 4]), 0, 200)).toEqual({ first: 1, last: 3 });
    expect(endsOf({ ...wide, ends: undefined, last: null }, 0, 200)).toBeNull();
  });

  test("CSV has what is drawn, in shown units, and quotes what needs it", () => {
    const table = tableOf(
      [{ label: 'a,"b"', series, convert: (v) => v / 10 }, { label: "=c", series: samples([0], [0.1 + 0.2]), convert: same }],
      0,
      1000,
    );
    expect(csvOf(table)).toBe(
      'time,"a,""b"" avg","a,""b"" min","a,""b"" max",\'=c\r\n' +
        "1970-01-01T00:00:00.000Z,1,1,1,0.3\r\n1970-01-01T00:00:00.100Z,2,1.5,3,\r\n",
    );
  });
});

describe("finding metrics", () => {
  test("letters in their order; whole words and starts of parts first", () => {
    const rank = (pattern: string, names: string[]) => finder(names)(pattern);
    expect(rank("busy", ["pi/cpu.bus_y", "pi/cpu.busy_pct", "pi/mem.free"])).toEqual(["pi/cpu.busy_pct", "pi/cpu.bus_y"]);
    expect(rank("rx eth0", ["pi/net.eth0.tx_bytes", "pi/net.eth0.rx_bytes"])).toEqual(["pi/net.eth0.rx_bytes"]);
    // Not the first letters that fit, but those that fit best.
    expect(rank("tmp", ["metrics/disk.mmcblk0.busy_pct", "metrics/temp.cpu"])).toEqual(["metrics/temp.cpu", "metrics/disk.mmcblk0.busy_pct"]);
    expect(rank("abc", ["cab"])).toEqual([]);
  });

  test("the tree is in the order of people", () => {
    const names = (metrics: string[]) => level(metrics, 0).map(({ name }) => name);
    const [top] = level(["a/room10.temp", "a/room2.temp", "a/room1.temp"], 0);
    expect(level(top.below, top.from).map(({ name }) => name)).toEqual(["room1.temp", "room2.temp", "room10.temp"]);
    expect(names(["pi_1h/cpu.a", "pi_1h/cpu.b", "pi/cpu.a", "pi/mem.b"])).toEqual(["pi/", "pi_1h/cpu."]);
  });

  test("the tree joins parts with a single child", () => {
    const [top, ...none] = level(["pi/cpu.user", "pi/cpu.idle", "pi/disk.sda.reads", "pi/disk.sda.writes", "pi/cpu"], 0);
    expect([top.name, top.below.length, none.length]).toEqual(["pi/", 5, 0]);
    const below = level(top.below, top.from);
    expect(below.map(({ name, metric, below }) => [name, metric, below.length])).toEqual([
      ["cpu", "pi/cpu", 0],
      ["cpu.", null, 2],
      ["disk.sda.", null, 2],
    ]);
    const disk = below[2];
    expect(level(disk.below, disk.from).map(({ name, metric }) => [name, metric])).toEqual([
      ["reads", "pi/disk.sda.reads"],
      ["writes", "pi/disk.sda.writes"],
    ]);
    // One metric alone is one line, and a name with the same beginning does not go with another.
    expect(level(["pi/a.b.c"], 0).map(({ name, metric }) => [name, metric])).toEqual([["pi/a.b.c", "pi/a.b.c"]]);
    expect(level(["x/ab", "x/abc"], 0).map(({ name, below }) => [name, below])).toEqual([["x/", ["x/ab", "x/abc"]]]);
  });
});

test("an earlier stretch is moved to the present, and has no newest value", () => {
  const moved = movedBy(samples([100, 110], [1, 2]), 1000);
  expect([moved.t, moved.v, moved.last]).toEqual([[1100, 1110], [1, 2], null]);
});

describe("families of the Home page", () => {
  test("lines are named by what tells them apart", () => {
    expect(shortNames(["temp.boiler.mdeg", "temp.out_dry.mdeg"])).toEqual(["boiler.mdeg", "out_dry.mdeg"]);
    expect(shortNames(["net.eth0.rx", "net.eth0.tx"])).toEqual(["rx", "tx"]);
    expect(shortNames(["load", "load.max"])).toEqual(["load", "load.max"]);
    expect(shortNames(["cpu.user"])).toEqual(["cpu.user"]);
    expect(shortNames([])).toEqual([]);
  });

  test("what would press all other lines to the floor comes last", () => {
    const metrics = ["cpu.idle", "cpu.system", "cpu.user"];
    expect(inOrder(families("pi", metrics)[0])).toEqual(["cpu.system", "cpu.user", "cpu.idle"]);
  });

  test("one unit and kind per chart, every metric exactly once", () => {
    const metrics = ["cpu.busy_pct", "cpu.user", "cpu.idle", "mem.free", "mem.total", "net.eth0.rx_bytes", "net.wlan0.tx_bytes", "sys.load1", "sys.load5", "sys.uptime_sec"];
    const list = families("pi", metrics);
    expect(list.flatMap((family) => family.metrics).sort()).toEqual([...metrics].sort());
    expect(list.map(({ title }) => title)).toEqual(["cpu.busy_pct", "cpu · percent", "mem · bytes", "sys · load", "sys.uptime_sec", "net · bytes · rate"]);
  });
});

describe("Home with many metrics", () => {
  test("a large database does not take the places of the others", () => {
    expect(shares([800, 3, 1], 12)).toEqual([8, 3, 1]);
    expect(shares([2, 1], 12)).toEqual([2, 1]);
    expect(shares([5, 5, 5, 5], 2)).toEqual([1, 1, 0, 0]);
    expect(shares([], 12)).toEqual([]);
  });

  test("search finds titles and databases with all metrics, metrics with those alone", () => {
    const list = [...families("pi", ["temp.out.temp", "temp.in.temp", "mem.free"]), ...families("nas", ["disk.sda.reads"])];
    const found = (words: string) => matching(list, words).map(({ db, metrics }) => [db, metrics.length]);
    expect(found("")).toHaveLength(3);
    expect(found("PI temperature")).toEqual([["pi", 2]]);
    expect(found("pi out")).toEqual([["pi", 1]]);
    expect(found("nas")).toEqual([["nas", 1]]);
    expect(found("out nas")).toEqual([]);
  });

  test("names that differ in digits are of one kind", () => {
    const metrics = Array.from({ length: 500 }, (_, i) => `rack.node${i}.cpu_pct`);
    const [family, ...none] = families("x", metrics);
    expect([family.metrics.length, none.length, family.title]).toEqual([500, 0, "rack · percent"]);
    expect(inOrder(family).slice(9, 12)).toEqual(["rack.node9.cpu_pct", "rack.node10.cpu_pct", "rack.node11.cpu_pct"]);
  });
});

test("what comes in is counted without what the server stores of itself", () => {
  expect(comingIn(null, 8.3, 3.3, 1.7)).toBe(8.3);
  // The count is off by a burst of the server's own samples: what the metrics promise is nearer.
  expect(comingIn(11.2, 8.3, 3.3, 1.7)).toBe(8.3);
  expect(comingIn(3.4, 0, 3.3, 1.7)).toBe(0);
  // An import of many samples at once.
  expect(comingIn(5000, 8.3, 3.3, 1.7)).toBeCloseTo(4996.7);
});

test("a series of large values near each other says how many digits they need", () => {
  const line = (display: Display, ...v: number[]) => ({ series: samples(v.map((_, i) => i * 10), v), display });
  const of = (...v: number[]) => digitsOf([line(PLAIN, ...v)])[0].digits;
  expect(of(101325.1, 101325.7)).toBe(8);
  expect(of(42.1, 42.9)).toBe(4);
  expect(of(20, 25)).toBe(4);
  expect(of(7.25, 7.25)).toBeUndefined();
  expect(digitsOf([{ series: null, display: PLAIN }])).toEqual([{}]);
  expect(digitsOf([line({ ...PLAIN, quantity: "bytes" }, 270e9, 270e9 + 1)])[0].digits).toBe(6);
});

test("lines of one axis are as exact as it reaches, and no more than their values are", () => {
  const BYTES = displayOf("mem.used_bytes", false, WRITTEN);
  const TEMP = displayOf("room.temp", false, WRITTEN);
  const MiB = 2 ** 20;
  const line = (display: Display, ...v: number[]) => ({ series: samples(v.map((_, i) => i * 10), v), display });
  const texts = (lines: { series: Series; display: Display }[]) => {
    const exact = digitsOf(lines);
    return lines.flatMap(({ series, display }, i) => series.v.map((v) => formatShown(shown(v ?? 0, display), display, WRITTEN, exact[i].digits, exact[i].places)));
  };
  // One barely moves beside another: its own digits would be of no use there.
  expect(texts([line(BYTES, 99.69 * MiB, 99.7 * MiB), line(BYTES, 797.6 * MiB, 1495.2 * MiB)])).toEqual(["99.69 MiB", "99.70 MiB", "797.6 MiB", "1.460 GiB"]);
  expect(texts([line(TEMP, 21.5, 22, 9.1)])).toEqual(["21.5 °C", "22.0 °C", "9.1 °C"]);
  expect(texts([line(PLAIN, 3, 12, 0)])).toEqual(["3", "12", "0"]);
  const RATE: Display = { ...PLAIN, perSecond: true };
  expect(texts([line(RATE, 9.502133, 0.79991, -4.6e-8, 0)])).toEqual(["9.50/s", "0.80/s", "0.00/s", "0.00/s"]);
});

test("whole numbers are written in full", () => {
  const big = 9_007_199_254_640_991;
  const table = tableOf([{ label: "id", series: samples([0], [big]), convert: same }], 0, 1);
  expect(csvOf(table)).toBe(`time,id\r\n1970-01-01T00:00:00.000Z,${big}\r\n`);
});

test("the names in a picture take as many rows as they need", () => {
  const rows = legendRows(["aaaa", "bbbb", "c".repeat(200)], 120, (text) => text.length * 7);
  expect(rows.map(({ row, x }) => [row, x])).toEqual([[0, 0], [0, 66], [1, 0]]);
  expect(rows[2].text).toMatch(/^c{10,15}…$/);
});
