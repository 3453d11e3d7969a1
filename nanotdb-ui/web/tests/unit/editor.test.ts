import { describe, expect, test } from "vitest";
import { readFileSync } from "node:fs";
import { addGroup, addWidget, moveGroup, moveWidget, newWidgetId, removeGroup, removeWidget, setWidget } from "../../src/editor/edits";
import { begin, change, redo, undo } from "../../src/editor/history";
import { describe as words, errorsAt, errorsUnder, lineOf, parsePointer, pointerOf } from "../../src/editor/pointer";
import { type DashboardConfig, layoutOf, lookbackOf, numberQuery, seriesDisplay, sourceOf, thresholdsOf, windowOf } from "../../src/widgets/config";
import { queriesOf } from "../../src/charts/queries";
import { groupOf, pageOf } from "../../src/state/pages";
import { buildRequest, curlOf, missing, quoted } from "../../src/tester/command";
import { bars } from "../../src/engine/timeline";
import { levelOf } from "../../src/charts/model";
import { formatShown, PLAIN } from "../../src/scale/units";
import { pinched } from "../../src/charts/gestures";
import type { Endpoint } from "../../src/api/types";

/** A dashboard as the original writes it, with fields nobody knows. */
const ORIGINAL: DashboardConfig = JSON.parse(readFileSync(new URL("./dashboard.json", import.meta.url), "utf8"));

describe("edits keep what they do not know", () => {
  test("moving, resizing and adding change nothing else", () => {
    const resized = setWidget(ORIGINAL, "cpu", { ...ORIGINAL.widgets?.cpu, type: "line_chart", layout: { w: 4 } });
    const moved = moveWidget(resized, "overview", "cpu", 0);
    expect(moved.groups?.[0].widgets).toEqual(["cpu", "snapshot"]);
    expect(moved.future_field).toEqual({ kept: true });
    expect(moved.widgets?.cpu.event_overlays).toEqual(ORIGINAL.widgets?.cpu.event_overlays);
    expect(moved.widgets?.feed).toEqual(ORIGINAL.widgets?.feed);
    expect(ORIGINAL.groups?.[0].widgets).toEqual(["snapshot", "cpu"]);
  });

  test("a widget of two groups stays until the last one drops it", () => {
    const both = { ...ORIGINAL, groups: [...(ORIGINAL.groups ?? []), { id: "b", widgets: ["cpu"] }] };
    const once = removeWidget(both, "overview", "cpu");
    expect(once.widgets?.cpu).toBeDefined();
    expect(removeWidget(once, "b", "cpu").widgets?.cpu).toBeUndefined();
  });

  test("names are made free of clashes, and never shadow the editor's address", () => {
    expect(newWidgetId(ORIGINAL, "CPU")).toBe("cpu_2");
    expect(newWidgetId(ORIGINAL, "°°")).toBe("widget");
    expect(addGroup(ORIGINAL, "Edit")[1]).toBe("edit_2");
  });

  test("groups come, go and move; an unknown one is made", () => {
    const [two, id] = addGroup(ORIGINAL, "More");
    expect(moveGroup(two, id, -5).groups?.[0].id).toBe(id);
    expect(Object.keys(removeGroup(ORIGINAL, "overview").widgets ?? {})).toEqual(["feed"]);
    const added = addWidget({}, "overview", "x", { type: "number" });
    expect(added.groups?.[0]).toEqual({ id: "overview", label: "Overview", widgets: ["x"] });
  });
});

describe("undo and redo", () => {
  test("go back and forth; typing in one field is one step", () => {
    let history = begin(0);
    history = change(history, 1, "title");
    history = change(history, 2, "title");
    history = change(history, 3, "unit");
    history = undo(history);
    expect(history.present).toBe(2);
    history = undo(history);
    expect(history.present).toBe(0);
    expect(undo(history)).toEqual(history);
    history = redo(redo(redo(history)));
    expect(history.present).toBe(3);
    expect(change(undo(history), 9).future).toEqual([]);
  });
});

describe("places of errors", () => {
  test("pointers are read and written with their escapes", () => {
    expect(parsePointer("/a~1b/0/c~0d")).toEqual(["a/b", "0", "c~d"]);
    expect(pointerOf("a/b", 0, "c~d")).toBe("/a~1b/0/c~0d");
    expect(parsePointer("")).toEqual([]);
  });

  test("errors are found at and below a place, not beside it", () => {
    const errors = [
      { path: "/widgets/cpu/type", message: "a" },
      { path: "/widgets/cpu2/type", message: "b" },
    ];
    expect(errorsAt(errors, "/widgets/cpu/type")).toEqual(["a"]);
    expect(errorsUnder(errors, "/widgets/cpu").map(({ message }) => message)).toEqual(["a"]);
    expect(words("/widgets/cpu/series/0/metric")).toBe("widgets › cpu › series › 1 › metric");
  });

  test("the line of a place in the text", () => {
    const text = JSON.stringify(ORIGINAL, null, 2);
    const line = lineOf(text, "/widgets/cpu/lookback");
    expect(text.split("\n")[line - 1]).toContain('"lookback": "6h"');
    expect(lineOf(text, "")).toBe(1);
  });
});

describe("dashboard.json", () => {
  const cpu = ORIGINAL.widgets?.cpu ?? { type: "" };
  const style = { bytes: "binary", temperature: "celsius", raw: false } as const;

  test("durations, sources, transforms", () => {
    expect(lookbackOf(cpu)).toBe(21_600_000);
    expect(lookbackOf({ type: "number" })).toBe(3_600_000);
    expect(windowOf(cpu, cpu.series?.[0] ?? {})).toBe(60_000);
    expect(sourceOf({ metric: "a.b" }, "pi")).toEqual({ db: "pi", metric: "a.b" });
    expect(sourceOf({ metric: "a.b", db: "x" }, "pi")).toEqual({ db: "x", metric: "a.b" });
    expect(sourceOf({ metric: "x/a.b" }, "")).toEqual({ db: "x", metric: "a.b" });
    expect(sourceOf({ event_name_pattern: "*" }, "pi")).toBeNull();
    expect(seriesDisplay(cpu, { metric: "mem.free", transform: { factor: 1e-6, unit: " GB" } }, style)).toMatchObject({ factor: 1e-6, unit: " GB" });
  });

  test("a rate is said once in the unit", () => {
    for (const unit of [" KiB", " KiB/s"]) {
      const display = seriesDisplay(cpu, { metric: "net.eth0.rx_bytes", rate: true, transform: { unit, decimals: 1 } }, style);
      expect(formatShown(2, display, style)).toBe("2.0 KiB/s");
    }
  });

  test("sizes are kept within the grid", () => {
    expect(layoutOf({ type: "line_chart" })).toEqual({ w: 2, h: 2 });
    expect(layoutOf({ type: "number", layout: { w: 9, h: 0 } })).toEqual({ w: 4, h: 1 });
  });

  test("thresholds in both directions", () => {
    expect(levelOf(95, { direction: "above", warning: 80, critical: 90 })).toBe("critical");
    expect(levelOf(85, { direction: "above", warning: 80, critical: 90 })).toBe("warning");
    expect(levelOf(0.4, { direction: "below", warning: 1, critical: 0.5 })).toBe("critical");
    expect(levelOf(2, { direction: "below", warning: 1, critical: 0.5 })).toBe("ok");
    expect(levelOf(null, { direction: "above", warning: 1 })).toBe("ok");
  });
});

describe("aggregates and windows of widgets", () => {
  const source = { db: "home", metric: "room.1.temp" };
  const series = { metric: "room.1.temp", aggregate: "count", window: "1d" };

  test("a number is that of the last window", () => {
    expect(numberQuery({ type: "number" }, series, source)).toEqual({ ...source, aggregate: "count", windowMs: 9.2e12, span: { ms: 86_400_000, buckets: 1 } });
    const lookback = numberQuery({ type: "numbers", lookback: "6h" }, { metric: "room.1.temp", aggregate: "max" }, source);
    expect(lookback).toMatchObject({ aggregate: "max", span: { ms: 21_600_000 } });
    expect(numberQuery({ type: "number" }, { metric: "room.1.temp" }, source).span).toBe(null);
  });

  test("a line of an aggregate is asked for by its name and window, whichever it is", () => {
    for (const aggregate of ["avg", "min", "max", "p95"]) {
      const spec = { ...source, label: "a", display: PLAIN, aggregate, windowMs: 86_400_000 };
      expect(queriesOf([spec], { ms: 20 * 86_400_000 }, 1200)[0]).toMatchObject({ aggregate, windowMs: 86_400_000, span: { buckets: 1200 } });
    }
    const band = queriesOf([{ ...source, label: "a", display: PLAIN, windowMs: 86_400_000 }], { from: 0, to: 86_400_000 }, 800)[0];
    expect(band).toMatchObject({ aggregate: undefined, windowMs: 86_400_000 });
  });

  test("a count carries no unit of the values", () => {
    const style = { bytes: "binary", temperature: "celsius", raw: false } as const;
    expect(seriesDisplay({ type: "line_chart" }, series, style).unit).toBe("");
    expect(seriesDisplay({ type: "line_chart" }, { ...series, aggregate: "max" }, style).unit).toBe("°C");
  });
});

describe("addresses", () => {
  const paths = { base_path: "/dashboard", explore_path: "/explore", engine_path: "/engine" };
  test.each([
    ["/", "home"],
    ["/dashboard", "dashboard"],
    ["/dashboard/events", "dashboard"],
    ["/dashboard/edit", "edit"],
    ["/dashboards", "unknown"],
    ["/explore/", "explore"],
    ["/engine", "engine"],
    ["/api-tester", "api"],
    ["/x", "unknown"],
  ])("%s is %s", (path, page) => expect(pageOf(path, paths)).toBe(page));

  test("groups are read from the address", () => {
    expect(groupOf("/dashboard/my%20group", paths)).toBe("my group");
    expect(groupOf("/dashboard/", paths)).toBeNull();
    expect(groupOf("/dashboard/100%", paths)).toBe("100%");
  });
});

describe("the API tester", () => {
  const endpoint: Endpoint = {
    id: "x",
    group: "g",
    method: "POST",
    path: "/api/x/{name}",
    summary: "",
    changes: true,
    params: [
      { name: "name", in: "path", type: "text", required: true, default: null, example: null, options: null, explain: "" },
      { name: "q", in: "query", type: "text", required: false, default: null, example: null, options: null, explain: "" },
      { name: "If-Match", in: "header", type: "text", required: false, default: null, example: null, options: null, explain: "" },
    ],
    body: { content_type: "text/plain", example: "", explain: "" },
    answer: "",
  };

  test("requests and their curl command", () => {
    const built = buildRequest(endpoint, { name: "a b", q: "x&y", "If-Match": '"1"' }, "it's");
    expect(built.url).toBe("/api/x/a%20b?q=x%26y");
    expect(curlOf(built, "http://h:1")).toBe(
      `curl -H 'If-Match: "1"' -H 'Content-Type: text/plain' --data-binary 'it'\\''s' 'http://h:1/api/x/a%20b?q=x%26y'`,
    );
    expect(missing(endpoint, {})).toEqual(["name"]);
    expect(quoted("a;rm -rf")).toBe("'a;rm -rf'");
  });
});

describe("partitions on a time line", () => {
  test("places and heights are shares; those without a time are left out", () => {
    const file = (bytes: number, kind: "raw" | "metric") => [{ name: "f", kind, bytes, pages: null, points: null, codec: null }];
    const rest = { sealed: true, can_build: false, can_compact: false };
    const { from, to, bars: list } = bars([
      { key: "a", start_ms: 0, end_ms: 100, points: 100, files: file(200, "raw"), ...rest },
      { key: "b", start_ms: 100, end_ms: 200, points: 100, files: file(50, "metric"), ...rest },
      { key: "d", start_ms: 200, end_ms: 300, points: 100, files: [...file(150, "raw"), ...file(50, "metric")], ...rest },
      { key: "c", start_ms: null, end_ms: null, points: 0, files: [], ...rest },
    ]);
    expect([from, to]).toEqual([0, 300]);
    expect(list).toMatchObject([
      { key: "a", x: 0, width: 1 / 3, height: 1, bytesPerPoint: 2, metric: 0 },
      { key: "b", x: 1 / 3, width: 1 / 3, height: 0.25, bytesPerPoint: 0.5, metric: 1 },
      { key: "d", height: 1, metric: 0.25 },
    ]);
  });
});

describe("pinch", () => {
  test("what is under the fingers stays under them", () => {
    expect(pinched([0, 1000], [0.25, 0.75], [0, 1])).toEqual([250, 750]);
    expect(pinched([0, 1000], [0.4, 0.6], [0.5, 0.7])).toEqual([-100, 900].map((v) => expect.closeTo(v, 6)));
  });
});

test("thresholds follow the units of the browser", () => {
  const style = { bytes: "binary", temperature: "celsius", raw: false } as const;
  const thresholds = { direction: "above", warning: 70, critical: 80 } as const;
  const widget = { type: "numbers", thresholds };
  const cpu = { metric: "temp.cpu" };
  expect(thresholdsOf(widget, cpu, style)).toEqual(thresholds);
  expect(thresholdsOf(widget, cpu, { ...style, temperature: "fahrenheit" })).toEqual({ direction: "above", warning: 158, critical: 176 });
  expect(thresholdsOf(widget, cpu, { ...style, raw: true })).toEqual({ direction: "above", warning: 70000, critical: 80000 });
  // With a transform the units are the dashboard's own.
  expect(thresholdsOf(widget, { ...cpu, transform: { factor: 0.001 } }, { ...style, temperature: "fahrenheit" })).toEqual(thresholds);
  expect(thresholdsOf({ type: "numbers" }, cpu, style)).toBeUndefined();
});
