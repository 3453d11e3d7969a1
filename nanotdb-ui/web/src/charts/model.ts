/** What a chart is told to draw. */
import type { Series } from "../series/model";
import type { Display } from "../scale/units";

export interface Thresholds {
  direction: "above" | "below";
  warning?: number;
  critical?: number;
}

export interface Line {
  id: string;
  label: string;
  series: Series | null;
  display: Display;
  /** Of this line, in shown units. */
  thresholds?: Thresholds;
  /** Draw only the line, without the band between min and max. */
  bare?: boolean;
  color?: string;
  /** Its values are increases of a counter. */
  rate?: boolean;
  /** Significant digits of its values, where they need more than usual to differ. */
  digits?: number;
  /** Decimals that all of them are shown with. */
  places?: number;
  /** An earlier stretch of the line at this place: drawn in its colour, dashed. */
  like?: number;
}

export type Level = "ok" | "warning" | "critical";

/** How a shown value stands to its thresholds. */
export function levelOf(value: number | null | undefined, thresholds: Thresholds | undefined): Level {
  if (value === null || value === undefined || !thresholds) return "ok";
  const over = (limit: number | undefined) =>
    limit !== undefined && (thresholds.direction === "below" ? value <= limit : value >= limit);
  return over(thresholds.critical) ? "critical" : over(thresholds.warning) ? "warning" : "ok";
}

/**
 * How far the rate of a counter that grows steadily goes up and down because its samples have 24 bits: the counter's last bit,
 * each way, in the time between two samples.
 */
export function noiseOf({ rate, series, display }: Pick<Line, "rate" | "series" | "display">): number {
  const last = Math.abs(series?.last?.v ?? 0);
  if (!rate || series?.type !== "float32" || last === 0) return 0;
  const bit = 2 ** (Math.floor(Math.log2(last)) - 23);
  return ((2 * bit) / ((series.intervalMs ?? 1000) / 1000)) * Math.abs(display.factor) * (1 + 1e-9);
}
