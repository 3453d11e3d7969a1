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
  /** Which column stands for the line, where there are buckets. */
  column?: "avg" | "min" | "max";
  /** Draw only the line, without the band between min and max. */
  bare?: boolean;
  color?: string;
  /** Significant digits of its values, where they need more than usual to differ. */
  digits?: number;
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
