import { describe, expect, test } from "vitest";
import { extent } from "../../src/scale/extent";
import { digitsFor, formatBytes, grouped, significant } from "../../src/scale/number";
import { noiseOf } from "../../src/charts/model";
import { axisKey, displayOf, formatSeconds, formatShown, looksLikeCounter, shown, type UnitStyle } from "../../src/scale/units";

const STYLE: UnitStyle = { bytes: "binary", temperature: "celsius", raw: false };
const text = (metric: string, value: number, rate = false, style = STYLE) => {
  const display = displayOf(metric, rate, style);
  return formatShown(shown(value, display), display, style);
};

describe("numbers", () => {
  test.each([
    [0, "0"],
    [12.345678, "12.35"],
    [1234567, "1234567"],
    [0.000123456, "0.0001235"],
    [-2.5, "-2.5"],
    [1e-7, "1e-7"],
    [1e20, "1e20"],
  ])("%d", (value, expected) => expect(significant(value)).toBe(expected));

  test("groups and sizes", () => {
    expect(grouped(717120)).toBe("717\u202f120");
    expect(formatBytes(1536)).toBe("1.5 KiB");
    expect(formatBytes(1500, false)).toBe("1.5 kB");
    expect(formatBytes(0)).toBe("0 B");
  });
});

describe("units by names", () => {
  test.each([
    ["cpu.busy_pct", 12.5, "12.5 %"],
    ["temp.cpu", 49173, "49.17 °C"],
    ["temp.office_dry.mdeg", 21500, "21.5 °C"],
    ["room.temp", 21.5, "21.5 °C"],
    ["mem.available", 2404920, "2.294 GiB"],
    ["diskfs.root.bytes_used", 1024, "1 KiB"],
    ["cpu.freq_khz", 600000, "600 MHz"],
    ["disk.sd_write_probe_ms", 7.8, "7.8 ms"],
    ["sys.uptime_sec", 361244, "4.18 d"],
    ["sys.load1", 0.25, "0.25"],
    ["orders", 250000, "250 k"],
    // Of a rollup.
    ["temp.cpu.avg", 49173, "49.17 °C"],
    ["mem.available.max", 2404920, "2.294 GiB"],
    ["cpu.busy_pct.p95", 12.5, "12.5 %"],
    ["temp.cpu.count", 360, "360"],
  ])("%s", (metric, value, expected) => expect(text(metric, value)).toBe(expected));

  test("rates", () => {
    expect(text("net.eth0.rx_bytes", 2048, true)).toBe("2 KiB/s");
    expect(text("disk.mmcblk0.reads", 3, true)).toBe("3/s");
  });

  test("the browser's wishes", () => {
    expect(text("temp.cpu", 100000, false, { ...STYLE, temperature: "fahrenheit" })).toBe("212 °F");
    expect(text("mem.available", 1000, false, { ...STYLE, bytes: "decimal" })).toBe("1.024 MB");
    expect(text("mem.available", 1000, false, { ...STYLE, raw: true })).toBe("1000");
  });

  test("a dashboard's decimals are kept", () => {
    expect(formatShown(2.404, { quantity: "plain", factor: 1, offset: 0, unit: " GB", decimals: 1 }, STYLE)).toBe("2.4 GB");
    expect(formatShown(-0.04, { quantity: "plain", factor: 1, offset: 0, unit: "°", decimals: 1 }, STYLE)).toBe("0.0°");
    expect(formatShown(null, displayOf("x", false, STYLE), STYLE)).toBe("–");
  });

  test("counters", () => {
    for (const name of ["cpu.user", "net.eth0.rx_bytes", "disk.sda.reads", "io.pgpgin", "http_requests_total", "psi.cpu.full_total_us"]) {
      expect(looksLikeCounter(name), name).toBe(true);
    }
    // Byte counters as Prometheus names them are counters; only a name that says nothing but the bytes' total is a size.
    for (const name of ["net.rx_bytes_total", "node_network_receive_bytes_total", "http.response_size_bytes_total", "requests_total"]) {
      expect(looksLikeCounter(name), name).toBe(true);
    }
    for (const name of ["bytes_total", "disk.bytestotal", "cpu.busy_pct", "mem.total", "sys.procs_total", "diskfs.root.bytes_total", "proc.drip.rss_bytes", "mem.swaptotal", "diskfs.root.inodes_total"]) {
      expect(looksLikeCounter(name), name).toBe(false);
    }
  });

  test("an aggregate that counts has no unit of the values", () => {
    const display = (aggregate?: string) => formatShown(8640, displayOf("room.1.temp", false, STYLE, aggregate), STYLE);
    expect(display("count")).toBe("8640");
    expect(display("max")).toBe("8640 °C");
    expect(axisKey(displayOf("room.1.temp", false, STYLE, "count"))).not.toBe(axisKey(displayOf("room.1.temp", false, STYLE)));
  });

  test("sums have an axis of their own, with the unit of the values", () => {
    const of = (metric: string, aggregate?: string) => displayOf(metric, false, STYLE, aggregate);
    const axes = [of("room.temp"), of("room.temp", "avg"), of("room.temp", "max")].map(axisKey);
    expect(new Set(axes).size).toBe(1);
    for (const sum of [of("room.temp", "sum"), of("room.temp.sum")]) {
      expect(axes).not.toContain(axisKey(sum));
      expect(sum.apart).toBe("sum");
      expect(formatShown(8640, sum, STYLE)).toBe("8640 °C");
    }
    // A metric that is called so where its average is asked for.
    expect(of("room.sum", "avg").apart).toBeUndefined();
    expect(axisKey(of("door.open", "sum"))).not.toBe(axisKey(of("door.open", "avg")));
  });

  test("what shares an axis", () => {
    const key = (metric: string, rate = false) => axisKey(displayOf(metric, rate, STYLE));
    expect(key("temp.cpu")).toBe(key("temp.out_dry.mdeg"));
    expect(key("net.eth0.rx_bytes", true)).not.toBe(key("mem.free"));
  });
});

describe("value axes", () => {
  test.each([
    [[1, 10], [0, 10.54]],
    [[5, 5], [4.5, 5.5]],
    [[0, 0], [0, 1]],
    [[-10, -1], [-10.54, 0]],
    [[90, 100], [89.4, 100.6]],
  ])("%j", ([min, max], expected) => {
    const [low, high] = extent(min, max);
    expect(low).toBeCloseTo(expected[0]);
    expect(high).toBeCloseTo(expected[1]);
  });

  test("nothing is above what is full", () => {
    expect(extent(0, 99, 100)).toEqual([0, 100]);
    expect(extent(100, 100, 100)).toEqual([90, 100]);
    expect(extent(0, 120, 100)[1]).toBeGreaterThan(120);
  });

  test("nothing to show is 0 to 1", () => expect(extent(null, null)).toEqual([0, 1]));
});

describe("values that are large and lie near each other", () => {
  test.each([
    [100, 20, 4],
    [101325.5, 0.1, 7],
    [101325.5, 0.25, 8],
    [1_000_000_003, 1, 10],
    [1_503_600, 600, 5],
    [0, 0, 4],
    [1e300, 1, 15],
  ])("%d by %d takes %d digits", (size, distance, digits) => expect(digitsFor(size, distance)).toBe(digits));

  test("marks of an axis differ", () => {
    const marks = (metric: string, values: number[], distance: number) => {
      const display = displayOf(metric, false, STYLE);
      return values.map((v) => formatShown(v, display, STYLE, digitsFor(Math.max(...values), distance)));
    };
    expect(marks("pressure", [101325.1, 101325.2], 0.1)).toEqual(["101\u202f325.1", "101\u202f325.2"]);
    expect(marks("id", [1_000_000_001, 1_000_000_002], 1)).toEqual(["1\u202f000\u202f000\u202f001", "1\u202f000\u202f000\u202f002"]);
    expect(marks("orders", [200_000, 250_000], 50_000)).toEqual(["200 k", "250 k"]);
    expect(marks("sys.uptime_sec", [1_500_000, 1_500_600], 600)).toEqual(["17 d 8 h 40 m", "17 d 8 h 50 m"]);
    expect(marks("sys.uptime_sec", [90_000, 90_005], 5)).toEqual(["1 d 1 h", "1 d 1 h 5 s"]);
    expect(marks("probe_ms", [0.007812, 0.007814], 0.000002)).toEqual(["7.812 ms", "7.814 ms"]);
  });

  test("times in several units", () => {
    expect(formatSeconds(-90_061, 5)).toBe("-1 d 1 h 1 m 1 s");
    expect(formatSeconds(86_400 * 3, 6)).toBe("3 d");
  });
});

describe("sensors at home", () => {
  const of = (metric: string, value: number, rate = looksLikeCounter(metric)) => {
    const display = displayOf(metric, rate, STYLE);
    return formatShown(shown(value, display), display, STYLE);
  };

  test.each([
    ["power.watts", 1234, "1.234 kW"],
    ["socket.power_w", 0.5, "500 mW"],
    ["inverter.kw", 3.2, "3.2 kW"],
    ["mains.volts", 230.4, "230.4 V"],
    ["cell.voltage_mv", 3712, "3.712 V"],
    ["battery.voltage", 12.6, "12.6 V"],
    ["charger.amps", 16, "16 A"],
    ["meter.kwh", 4321.5, "4322 kWh"],
    ["sun.wh", 1500, "1.5 kWh"],
    ["weather.pressure_hpa", 1013.2, "1013 hPa"],
    ["air.co2_ppm", 412, "412 ppm"],
    ["garden.light_lx", 12000, "12000 lx"],
    ["fan.rpm", 1450, "1450 rpm"],
  ])("%s %d is %s", (metric, value, text) => expect(of(metric, value)).toBe(text));

  test("a meter's counter is power, time spent is a share", () => {
    expect(of("energy.kwh_total", 0.00123)).toBe("4.428 kW");
    expect(of("energy.wh_total", 0.1)).toBe("360 W");
    expect(of("disk.sda.io_ms", 40)).toBe("4 %");
    expect(of("cpu.user", 15.6)).toBe("15.6 %");
    // Not asked for as a rate it stays what it is.
    expect(of("energy.kwh_total", 1234.5, false)).toBe("1235 kWh");
    expect(axisKey(displayOf("cpu.user", true, STYLE))).toBe(axisKey(displayOf("cpu.busy_pct", false, STYLE)));
  });

  test("letters are no units by themselves, and settings turn it off", () => {
    expect(of("axis.v", 3)).toBe("3");
    expect(of("grade.a", 3)).toBe("3");
    expect(formatShown(3, displayOf("power.watts", false, { ...STYLE, raw: true }), STYLE)).toBe("3");
  });

  test("what no prefix makes readable is written with an exponent", () => {
    expect(formatShown(9.501097e29, displayOf("x", false, STYLE), STYLE)).toBe("9.501e29");
  });
});

describe("the rate of a counter of 32-bit floats", () => {
  const line = (type: string, v: number, rate = true) => ({
    rate,
    display: { ...displayOf("meter.x_total", true, STYLE) },
    series: { type, intervalMs: 10_000, last: { t: 0, v }, stepMs: 0, aggregated: false, t: [], v: [] },
  });

  test("is noisy by its last bit in the time between two samples", () => {
    // 2^23 counts in steps of 1; 10 s apart, up and down.
    expect(noiseOf(line("float32", 2 ** 23))).toBeCloseTo(0.2, 6);
    expect(noiseOf(line("float64", 2 ** 23))).toBe(0);
    expect(noiseOf(line("float32", 2 ** 23, false))).toBe(0);
    expect(noiseOf(line("float32", 0))).toBe(0);
  });

  test("is not zoomed into", () => {
    expect(extent(4.9, 5.1, Infinity, 0.2 + 1e-9)).toEqual([4.5, 5.5]);
    const [low, high] = extent(4.9, 5.1);
    expect(high - low).toBeLessThan(0.3);
    // What differs by more is shown as it is.
    expect(extent(4, 6, Infinity, 0.2)).toEqual(extent(4, 6));
  });
});
