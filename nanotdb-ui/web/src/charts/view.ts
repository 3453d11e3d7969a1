/** uPlot, set up for our series: real gaps, honest bands, synced crosshair. Not a component; Chart.tsx owns one. */
import uPlot from "uplot";
import { align } from "../series/align";
import { digitsFor, placesOf } from "../scale/number";
import { extent } from "../scale/extent";
import { axisKey, formatShown, incrementsOf, isScaled, shown, type UnitStyle } from "../scale/units";
import type { ClockStyle } from "../time/format";
import { timeTicks } from "../time/ticks";
import { attachGestures, type GestureHost } from "./gestures";
import { type Line, noiseOf } from "./model";
import { dashOf, faded, type Palette } from "./palette";
import { drawThresholds } from "./thresholds";

export interface ViewStyle {
  palette: Palette;
  clock: ClockStyle;
  units: UnitStyle;
}

export interface ViewEvents extends Omit<GestureHost, "preview" | "cursor" | "view"> {
  /** Crosshair moved to a row of the data, or left (null). `x` in pixels of the plot; `own`: by this chart's pointer or keys. */
  moved: (at: { t: number; values: (number | null)[]; x: number; own: boolean } | null) => void;
}

const CROSSHAIR = "nanotdb";

/** The chart in which a stretch is being chosen: what other charts tell of the pointer, when it strays, would undo the choice. */
let dragging: ChartView | null = null;

function mayMove(view: ChartView): boolean {
  return dragging === null || dragging === view;
}

export class ChartView {
  private readonly u: uPlot;
  private readonly detach: () => void;
  /** For each line, the index of its value column in uPlot's data. */
  private readonly columns: number[] = [];
  private own = false;

  constructor(
    host: HTMLElement,
    private lines: Line[],
    private readonly hidden: (id: string) => boolean,
    private view: [number, number],
    size: { width: number; height: number },
    private readonly style: ViewStyle,
    private readonly events: ViewEvents,
  ) {
    this.u = new uPlot(this.options(size), this.data(), host);
    this.announce();
    this.detach = attachGestures(this.u.over, {
      view: () => this.view,
      preview: (next) => this.setView(next),
      commit: events.commit,
      cursor: (x) => this.setCursor(x),
    });
    this.u.over.addEventListener("mousedown", () => {
      dragging = this;
      addEventListener("mouseup", () => (dragging = null), { once: true });
    });
    this.u.over.addEventListener("mouseenter", () => (this.own = true));
    this.u.over.addEventListener("mouseleave", () => (this.own = false));
  }

  /** Whether `lines` fit the series that this view was made with; a new view is needed otherwise. */
  static shape(lines: Line[]): string {
    return lines
      .map((l) => [l.id, l.label, axisKey(l.display), l.series?.min && !l.bare ? 1 : 0, drawn(l) ? 1 : 0, l.color].join("\u0001"))
      .join("\u0002");
  }

  update(lines: Line[], view: [number, number]): void {
    this.lines = lines;
    this.view = view;
    this.u.batch(() => {
      this.u.setData(this.data(), false);
      this.u.setScale("x", { min: view[0], max: view[1] });
    });
    this.announce();
  }

  setView(view: [number, number]): void {
    this.view = view;
    this.u.setScale("x", { min: view[0], max: view[1] });
    this.announce();
  }

  /** What is drawn, as attributes: a canvas cannot be asked, by tests least of all. */
  private announce(): void {
    const { dataset } = this.u.root;
    dataset.from = String(Math.round(this.view[0]));
    dataset.to = String(Math.round(this.view[1]));
    dataset.stepMs = String(Math.max(0, ...this.lines.map(({ series }) => series?.stepMs ?? 0)));
    dataset.rows = String(this.u.data[0].length);
  }

  resize(width: number, height: number): void {
    this.u.setSize({ width, height });
  }

  showLines(): void {
    this.u.batch(() =>
      this.lines.forEach((line, k) => {
        const show = !this.hidden(line.id);
        const first = this.columns[k];
        const last = k + 1 < this.columns.length ? this.columns[k + 1] : this.u.series.length;
        for (let i = first; i < last; i++) if (this.u.series[i].show !== show) this.u.setSeries(i, { show });
      }),
    );
  }

  setCursor(x: number | null): void {
    this.own = x !== null;
    const left = x === null ? -10 : Math.max(0, Math.min(this.u.over.clientWidth, x));
    this.u.setCursor({ left, top: x === null ? -10 : this.u.over.clientHeight / 2 });
  }

  /** Moves the crosshair by rows of data: for the keyboard. */
  step(by: number): void {
    const t = this.u.data[0];
    if (t.length === 0) return;
    const inView = (i: number) => t[i] >= this.view[0] && t[i] <= this.view[1];
    let at = this.u.cursor.idx ?? (by > 0 ? t.findIndex((ms) => ms >= this.view[0]) - 1 : t.length);
    at = Math.max(0, Math.min(t.length - 1, at + by));
    if (inView(at)) this.setCursor(this.u.valToPos(t[at], "x"));
  }

  get width(): number {
    return this.u.width;
  }

  get canvas(): HTMLCanvasElement {
    return this.u.ctx.canvas;
  }

  destroy(): void {
    this.detach();
    this.u.destroy();
  }

  private data(): uPlot.AlignedData {
    const aligned = align(
      this.lines.map(({ series, display }) => ({
        series: series ?? { type: "", intervalMs: null, last: null, stepMs: 0, aggregated: false, t: [], v: [] },
        convert: (v) => shown(v, display),
      })),
    );
    const columns: uPlot.AlignedData[number][] = [aligned.t];
    this.columns.length = 0;
    aligned.columns.forEach(({ v, min, max }, k) => {
      const line = this.lines[k];
      this.columns.push(columns.length);
      columns.push(v);
      if (min && max && !line.bare) columns.push(max, min);
    });
    return columns as uPlot.AlignedData;
  }

  private options({ width, height }: { width: number; height: number }): uPlot.Options {
    const { palette, clock, units } = this.style;
    const series: uPlot.Series[] = [{}];
    const bands: uPlot.Band[] = [];
    const axes: uPlot.Axis[] = [this.timeAxis(clock, palette)];
    const scales: uPlot.Scales = { x: { time: false, range: () => this.view } };
    this.lines.forEach((line, k) => {
      const scale = axisKey(line.display) || "y";
      const stroke = line.color ?? palette.series[(line.like ?? k) % palette.series.length];
      const show = !this.hidden(line.id);
      const common = { scale, show, dash: dashOf(k, line.like) };
      series.push({ ...common, label: line.label, stroke, width: 1.5, points: { size: 4, filter: isolated } });
      if (line.series?.min && !line.bare) {
        // Bounds are drawn as thin lines too: a spike of one sample must be seen where its area is a hair.
        const edge = { ...common, dash: [], stroke: faded(stroke, 0.55), width: 0.75, points: { size: 3, filter: (u: uPlot, index: number) => isolated(u, index, false) } };
        series.push(edge, { ...edge });
        bands.push({ series: [series.length - 2, series.length - 1], fill: faded(stroke, 0.16) });
      }
      scales[scale] ??= { auto: true, range: (_u, min, max) => extent(min, max, line.display.quantity === "percent" ? 100 : Infinity, this.noise(scale)) };
      // An axis beside which nothing is drawn would take the room of the others.
      if (!drawn(line) || axes.some((axis) => axis.scale === scale)) return;
      axes.push({
        scale,
        side: axes.length === 1 ? 3 : 1,
        stroke: palette.text,
        font: "12px system-ui, sans-serif",
        size: (u, values) => axisWidth(u, values),
        gap: 4,
        // Two axes may have one unit.
        ...(line.display.apart ? { label: line.display.apart, labelSize: 16, labelGap: 0, labelFont: "12px system-ui, sans-serif" } : {}),
        ticks: { show: false },
        grid: { show: axes.length === 1, stroke: palette.grid, width: 1 },
        space: 32,
        incrs: incrementsOf(line.display, units),
        values: (_u, splits, _axis, _space, distance) => {
          const digits = digitsFor(Math.max(...splits.map(Math.abs)), distance);
          const places = isScaled(line.display) ? undefined : placesOf(distance);
          return splits.map((v) => formatShown(v, { ...line.display, decimals: undefined }, units, digits, places));
        },
      });
    });
    return {
      width,
      height,
      ms: 1,
      series,
      bands,
      axes,
      scales,
      padding: [8, 8, 0, 4],
      legend: { show: false },
      cursor: {
        y: false,
        points: { size: 7 },
        drag: { x: true, y: false, setScale: false, dist: 6 },
        bind: { dblclick: () => null },
        sync: {
          key: CROSSHAIR,
          scales: ["x", null],
          filters: { pub: (type) => onlyCrosshair(type) && mayMove(this), sub: (type) => onlyCrosshair(type) && dragging !== this },
        },
      },
      hooks: {
        draw: [(u) => drawThresholds(u, this.lines, palette, units)],
        setSelect: [(u) => this.selected(u)],
        setCursor: [(u) => this.cursorMoved(u)],
      },
    };
  }

  private noise(scale: string): number {
    return Math.max(0, ...this.lines.map((line) => ((axisKey(line.display) || "y") === scale ? noiseOf(line) : 0)));
  }

  private timeAxis(clock: ClockStyle, palette: Palette): uPlot.Axis {
    const ticks = (u: uPlot) => timeTicks(this.view[0], this.view[1], Math.max(2, u.bbox.width / devicePixelRatio / 84), clock);
    return {
      stroke: palette.text,
      font: "12px system-ui, sans-serif",
      size: 26,
      gap: 4,
      ticks: { show: true, stroke: palette.grid, size: 4, width: 1 },
      grid: { stroke: palette.grid, width: 1 },
      splits: (u) => ticks(u).map(({ ms }) => ms),
      // A label that would not fit beside the edge is left out, its mark stays.
      values: (u) => {
        const [from, to] = this.view;
        const width = u.bbox.width / devicePixelRatio;
        const fits = (ms: number, label: string) => width * (1 - (ms - from) / (to - from)) + 10 > label.length * 3.4;
        return ticks(u).map(({ ms, label }) => (width === 0 || fits(ms, label) ? label : ""));
      },
    };
  }

  private selected(u: uPlot): void {
    const { left, width } = u.select;
    if (width < 6) return;
    const view: [number, number] = [u.posToVal(left, "x"), u.posToVal(left + width, "x")];
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.setView(view);
    this.events.commit(view);
  }

  private cursorMoved(u: uPlot): void {
    const { idx, left } = u.cursor;
    if (idx === null || idx === undefined || left === undefined || left < 0) return this.events.moved(null);
    const t = u.data[0][idx];
    const values = this.columns.map((column) => valueNear(u.data[column] as (number | null | undefined)[], idx));
    this.events.moved({ t, values, x: u.valToPos(t, "x"), own: this.own });
  }
}

function drawn({ series }: Line): boolean {
  return series?.v.some((v) => v !== null) ?? false;
}

/** The value at a row, or at the nearest row of a series with other times, unless a gap lies between. */
function valueNear(column: (number | null | undefined)[], at: number): number | null {
  for (let by = 0; by <= 64; by++) {
    for (const i of [at - by, at + by]) {
      const value = column[i];
      if (value === null) return null;
      if (value !== undefined) return value;
    }
  }
  return null;
}

function onlyCrosshair(type: string): boolean {
  return type === "mousemove" || type === "mouseleave";
}

/** Samples with a gap on both sides, which no line would show. */
function isolated(u: uPlot, index: number, show: boolean): number[] | null {
  if (show) return null;
  const column = u.data[index] as (number | null | undefined)[];
  const found: number[] = [];
  let runStart = -1;
  let count = 0;
  for (let i = 0; i <= column.length; i++) {
    const value = i < column.length ? column[i] : null;
    if (value === null) {
      if (count === 1) found.push(runStart);
      count = 0;
    } else if (value !== undefined) {
      runStart = i;
      count += 1;
    }
  }
  return found;
}

function axisWidth(u: uPlot, values: string[] | null): number {
  const longest = (values ?? []).reduce((most, text) => Math.max(most, text?.length ?? 0), 0);
  return Math.min(112, Math.max(36, longest * 6.6 + 12, u.width < 300 ? 36 : 0));
}
