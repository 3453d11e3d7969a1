/** dashboard.json as the pages read it. Fields that are not named here are kept when it is saved. */
import type { Thresholds } from "../charts/model";
import { type Display, displayOf, isSum, shown, stored, type UnitStyle, WRITTEN } from "../scale/units";
import type { SeriesQuery } from "../state/feed";
import { parseDuration } from "../time/duration";

export interface Transform {
  factor?: number;
  offset?: number;
  unit?: string;
  decimals?: number;
}

export interface WidgetSeries {
  label?: string;
  metric?: string;
  /** The original's other way to name a metric: `db/metric`. */
  query?: string;
  db?: string;
  aggregate?: string;
  window?: string;
  rate?: boolean;
  transform?: Transform;
  thresholds?: Thresholds;
  event_name_pattern?: string;
  [unknown: string]: unknown;
}

export interface WidgetConfig {
  type: string;
  title?: string;
  refresh_sec?: number;
  lookback?: string;
  interval?: string;
  series?: WidgetSeries[];
  thresholds?: Thresholds;
  transform?: Transform;
  event_overlays?: unknown[];
  /** Ours: columns and rows of the grid; the original ignores it. */
  layout?: { w?: number; h?: number };
  [unknown: string]: unknown;
}

export interface GroupConfig {
  id: string;
  label?: string;
  widgets?: string[];
  [unknown: string]: unknown;
}

export interface DashboardConfig {
  title?: string;
  default_db?: string;
  groups?: GroupConfig[];
  widgets?: Record<string, WidgetConfig>;
  [unknown: string]: unknown;
}

export const WIDGET_TYPES = ["number", "numbers", "line_chart", "aggregate_band"] as const;
export const EVENT_TYPES = ["event_log"];
export const DEFAULT_LOOKBACK_MS = 3_600_000;

export function lookbackOf(widget: WidgetConfig): number {
  return (widget.lookback && parseDuration(widget.lookback)) || DEFAULT_LOOKBACK_MS;
}

export function windowOf(widget: WidgetConfig, series: WidgetSeries): number | undefined {
  const text = series.window ?? widget.interval;
  return (text && parseDuration(text)) || undefined;
}

/** Wider than any stretch of time: all of a range is one window. */
const ONE_WINDOW_MS = 9.2e12;

/**
 * What the number of a series is asked for with: its newest sample, or, with an aggregate, that of the last `window` (without one,
 * of the widget's lookback).
 */
export function numberQuery(widget: WidgetConfig, series: WidgetSeries, source: { db: string; metric: string }): SeriesQuery {
  const { rate, aggregate } = series;
  if (aggregate) {
    const ms = windowOf(widget, series) ?? lookbackOf(widget);
    return { ...source, rate, aggregate, windowMs: ONE_WINDOW_MS, span: { ms, buckets: 1 } };
  }
  // A rate needs a stretch of samples, not the last one alone.
  return { ...source, rate, span: rate ? { ms: 300_000, buckets: 100 } : null };
}

/** How values of a series are shown: by its transform, else by its name. */
export function seriesDisplay(widget: WidgetConfig, series: WidgetSeries, style: UnitStyle): Display {
  const transform = series.transform ?? widget.transform;
  const name = series.metric ?? series.query ?? "";
  const aggregate = widget.type === "aggregate_band" ? undefined : series.aggregate;
  if (!transform) return displayOf(name, series.rate ?? false, style, aggregate);
  const { factor = 1, offset = 0, unit = "", decimals } = transform;
  const perSecond = series.rate ?? false;
  // A rate is shown with "/s" after its unit, which may say so itself.
  return { quantity: "plain", factor, offset, unit: perSecond ? unit.replace(/\/s$/, "") : unit, decimals, perSecond, ...(isSum(name, aggregate) ? { apart: "sum" } : {}) };
}

/** The thresholds of a series in the units its values are shown in: a limit of 80 °C is one of 176 °F. */
export function thresholdsOf(widget: WidgetConfig, series: WidgetSeries, style: UnitStyle): Thresholds | undefined {
  const thresholds = series.thresholds ?? widget.thresholds;
  if (!thresholds) return undefined;
  const written = seriesDisplay(widget, series, WRITTEN);
  const present = seriesDisplay(widget, series, style);
  if (written.factor === present.factor && written.offset === present.offset) return thresholds;
  const converted = { ...thresholds };
  for (const name of ["warning", "critical"] as const) {
    const limit = thresholds[name];
    if (limit !== undefined) converted[name] = shown(stored(limit, written), present);
  }
  return converted;
}

/** Database and metric of a series; a metric may be written `db/metric`. */
export function sourceOf(series: WidgetSeries, fallback: string): { db: string; metric: string } | null {
  const metric = series.metric ?? "";
  if (metric === "") {
    const query = typeof series.query === "string" ? series.query : "";
    if (query === "") return null;
    const at = query.indexOf("/");
    return at > 0 ? { db: query.slice(0, at), metric: query.slice(at + 1) } : { db: series.db ?? fallback, metric: query };
  }
  if (series.db) return { db: series.db, metric };
  const slash = metric.indexOf("/");
  return slash > 0 && fallback === "" ? { db: metric.slice(0, slash), metric: metric.slice(slash + 1) } : { db: fallback, metric };
}

/** Columns and rows on a grid of four: what the widget says, else what its type needs. */
export function layoutOf(widget: WidgetConfig): { w: number; h: number } {
  const clamp = (value: number | undefined, standard: number) => Math.min(4, Math.max(1, Math.round(value ?? standard)));
  const chart = widget.type === "line_chart" || widget.type === "aggregate_band";
  return { w: clamp(widget.layout?.w, widget.type === "number" ? 1 : 2), h: clamp(widget.layout?.h, chart ? 2 : 1) };
}
