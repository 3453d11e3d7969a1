/** The one chart of all pages. */
import { effect, type Signal, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { now, serverNow } from "../state/clock";
import { clockStyle, theme, unitStyle } from "../state/prefs";
import { printing } from "../state/printing";
import { rangeBefore, setRange, zoomTo } from "../state/time-range";
import { formatShown, shown } from "../scale/units";
import { formatDateTime } from "../time/format";
import { AUTO, panned, zoomed } from "../time/range";
import { Legend } from "./Legend";
import type { Line } from "./model";
import { colourOf, type Palette, readPalette } from "./palette";
import { inTurn } from "./queue";
import { ChartView } from "./view";

export interface ChartHandle {
  canvas: () => HTMLCanvasElement | null;
  palette: () => Palette;
}

interface Props {
  title: string;
  lines: Line[];
  /** A stretch that ends now, or a fixed one. */
  span: { ms: number } | { from: number; to: number };
  /** Ids of the lines that are not shown: the panel keeps them, for what is saved. */
  hidden: Signal<Set<string>>;
  /** null: the chart is no longer there. */
  onHandle?: (handle: ChartHandle | null) => void;
}

interface Cursor {
  t: number;
  values: (number | null)[];
  x: number;
  own: boolean;
}

/** What of time a stretch is now. */
export function viewOf(span: Props["span"]): [number, number] {
  if (!("ms" in span)) return [span.from, span.to];
  const to = serverNow();
  return [to - span.ms, to];
}

export function Chart({ title, lines, span, hidden, onHandle }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<ChartView | null>(null);
  const cursor = useSignal<Cursor | null>(null);
  const spoken = useSignal("");
  const visible = useRef(false);
  const spanKey = "ms" in span ? String(span.ms) : `${span.from}/${span.to}`;
  /** What the chart was last told to draw: drawing the same again costs as much as the first time. */
  const drawn = useRef<{ lines: Line[]; spanKey: string; hidden: Set<string> } | null>(null);
  const latest = useRef({ lines, span, spanKey });
  latest.current = { lines, span, spanKey };

  const view = () => viewOf(latest.current.span);
  const palette = useMemo(readPalette, [theme.value]);
  const shape = `${ChartView.shape(lines)}|${theme.value}|${JSON.stringify([clockStyle.value, unitStyle.value])}`;

  const redraw = () => {
    const { lines: present, spanKey: key } = latest.current;
    if (!chart.current || !drawn.current) return;
    drawn.current = { ...drawn.current, lines: present, spanKey: key };
    chart.current.update(present, view());
  };

  // Made when it is first seen, and again when its lines, axes or style change.
  useLayoutEffect(() => {
    const element = host.current;
    if (!element) return;
    const size = () => ({ width: element.clientWidth, height: element.clientHeight });
    let made = { width: 0, height: 0 };
    const make = () => {
      if (chart.current || element.clientWidth === 0) return;
      const { lines: present, spanKey: key } = latest.current;
      const style = { palette, clock: clockStyle.peek(), units: unitStyle.peek() };
      const events = { moved: (at: Cursor | null) => (cursor.value = at), commit: zoomTo };
      drawn.current = { lines: present, spanKey: key, hidden: hidden.peek() };
      chart.current = new ChartView(element, present, (id) => hidden.peek().has(id), view(), size(), style, events);
      made = size();
    };
    const { top, bottom } = element.getBoundingClientRect();
    visible.current = printing.peek() || (top < innerHeight && bottom > 0);
    let cancel = () => {};
    // For paper all at once: it is taken as soon as this is done.
    if (printing.peek()) make();
    else if (visible.current) cancel = inTurn(make);
    const seen = new IntersectionObserver(
      ([entry]) => {
        const before = visible.current;
        visible.current = entry.isIntersecting;
        if (!visible.current) return;
        if (chart.current) {
          // What came while it was out of sight.
          if (!before) redraw();
        } else {
          cancel();
          cancel = inTurn(make);
        }
      },
      { rootMargin: "100px" },
    );
    const sized = new ResizeObserver(() => {
      const { width, height } = size();
      if (width === 0 || (width === made.width && height === made.height)) return;
      made = { width, height };
      chart.current?.resize(width, height);
    });
    seen.observe(element);
    sized.observe(element);
    onHandle?.({ canvas: () => chart.current?.canvas ?? null, palette: () => palette });
    return () => {
      onHandle?.(null);
      cancel();
      seen.disconnect();
      sized.disconnect();
      chart.current?.destroy();
      chart.current = null;
      cursor.value = null;
    };
  }, [shape, printing.value]);

  useEffect(() => {
    if (visible.current && (drawn.current?.lines !== lines || drawn.current.spanKey !== spanKey)) redraw();
  }, [lines, spanKey]);

  useEffect(() => {
    if (!drawn.current || drawn.current.hidden === hidden.value) return;
    drawn.current.hidden = hidden.value;
    chart.current?.showLines();
  }, [hidden.value]);

  // A moving stretch moves on once that is a pixel.
  useEffect(() => {
    if (!("ms" in span)) return;
    let at = now.peek();
    return effect(() => {
      const pixel = span.ms / Math.max(100, chart.current?.width ?? 100);
      if (now.value - at < pixel || !visible.current) return;
      at = now.value;
      chart.current?.setView(view());
    });
  }, [spanKey, shape]);

  const toggle = (id: string) => {
    const next = new Set(hidden.value);
    if (!next.delete(id)) next.add(id);
    hidden.value = next;
  };
  const isolate = (id: string) => {
    const others = lines.map((line) => line.id).filter((other) => other !== id);
    const alone = others.every((other) => hidden.value.has(other)) && !hidden.value.has(id);
    hidden.value = new Set(alone ? [] : others);
  };
  const speak = () => {
    const at = cursor.peek();
    if (at) spoken.value = `${formatDateTime(at.t, clockStyle.value)}: ${readout(lines, at).join(", ")}`;
  };
  const keys = (event: KeyboardEvent) => {
    const move = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (move !== 0 && event.shiftKey) zoomTo(panned(view(), move * 0.25));
    else if (move !== 0) {
      chart.current?.step(move);
      speak();
    } else if (event.key === "+" || event.key === "=") zoomTo(zoomed(view(), 0.5, cursor.peek()?.t));
    else if (event.key === "-") zoomTo(zoomed(view(), 2));
    else if (event.key === "Backspace") rangeBefore();
    else if (event.key === "0") setRange(AUTO);
    else if (event.key === "Escape" && cursor.peek()) chart.current?.setCursor(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const at = cursor.value;
  return (
    <div class="chart">
      <div
        class="plot"
        tabIndex={0}
        role="group"
        aria-roledescription="chart"
        aria-label={`${title}. Arrow keys move the crosshair, with Shift they move in time; plus and minus zoom, Backspace goes back.`}
        onKeyDown={keys}
        onBlur={() => chart.current?.setCursor(null)}
      >
        <div class="canvas" ref={host} />
        {at?.own && <Tooltip at={at} lines={lines} hidden={hidden.value} width={host.current?.clientWidth ?? 0} />}
      </div>
      <p class="unseen" aria-live="polite">
        {spoken.value}
      </p>
      <Legend live={"ms" in span} lines={lines} hidden={hidden.value} cursor={at ? at.values : null} onToggle={toggle} onIsolate={isolate} />
    </div>
  );
}

function readout(lines: Line[], at: Cursor): string[] {
  return lines.map((line, i) => `${line.label} ${formatShown(at.values[i], line.display, unitStyle.value, line.digits, line.places)}`);
}

function Tooltip({ at, lines, hidden, width }: { at: Cursor; lines: Line[]; hidden: Set<string>; width: number }) {
  const left = at.x > width * 0.5;
  return (
    <div class="tooltip" style={left ? { left: "56px" } : { right: "12px" }} aria-hidden="true">
      <strong>{formatDateTime(at.t, clockStyle.value, shortSpan(lines) ? "ms" : "second")}</strong>
      {lines.map((line, i) =>
        hidden.has(line.id) ? null : (
          <div key={line.id} class="row">
            <i style={{ background: colourOf(line, i) }} />
            <span class="name">{line.label}</span>
            <b>{formatShown(at.values[i], line.display, unitStyle.value, line.digits, line.places)}</b>
            {bucketOf(line, at.t)}
          </div>
        ),
      )}
    </div>
  );
}

function shortSpan(lines: Line[]): boolean {
  return lines.some(({ series }) => series && series.stepMs === 0 && (series.intervalMs ?? 1000) < 1000);
}

/** The bounds of the bucket under the crosshair. */
function bucketOf({ series, display, digits, places }: Line, t: number) {
  if (!series?.min || !series.max || series.stepMs === 0 || series.t.length === 0) return null;
  const i = Math.round((t - series.stepMs / 2 - series.t[0]) / series.stepMs);
  const min = series.min[i];
  const max = series.max[i];
  if (min === null || min === undefined || max === null || max === undefined || min === max) return null;
  const text = (v: number) => formatShown(shown(v, display), display, unitStyle.value, digits, places);
  return (
    <small>
      {text(min)} … {text(max)}
    </small>
  );
}
