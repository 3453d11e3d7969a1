/** The numbers under a chart. */
import { digitsFor } from "../scale/number";
import { type Display, shown } from "../scale/units";
import { type Series, within } from "./model";

export interface Stats {
  count: number;
  min: number | null;
  avg: number | null;
  max: number | null;
  first: number | null;
  last: number | null;
}

/** Of the rows in [from, to]; averages weigh buckets by their counts. */
export function statsOf(series: Series, from = -Infinity, to = Infinity): Stats {
  const stats: Stats = { count: 0, min: null, avg: null, max: null, first: null, last: null };
  let sum = 0;
  for (let i = 0; i < series.t.length; i++) {
    const v = series.v[i];
    if (v === null || !within(series, i, from, to)) continue;
    const n = series.n?.[i] ?? 1;
    const low = series.min?.[i] ?? v;
    const high = series.max?.[i] ?? v;
    stats.count += n;
    sum += v * n;
    stats.min = stats.min === null ? low : Math.min(stats.min, low);
    stats.max = stats.max === null ? high : Math.max(stats.max, high);
    stats.first ??= v;
    stats.last = v;
  }
  stats.avg = stats.count > 0 ? sum / stats.count : null;
  return stats;
}

/** Significant digits that show how the values of a series differ, where they are large and lie near each other. */
export function digitsOf(series: Series | null, display: Display): number | undefined {
  let [min, max] = [Infinity, -Infinity];
  for (const v of series?.v ?? []) {
    if (v === null) continue;
    if (v < min) min = v;
    if (v > max) max = v;
  }
  if (!(max > min)) return undefined;
  const [low, high] = [shown(min, display), shown(max, display)];
  const distance = 10 ** Math.floor(Math.log10(Math.abs(high - low) / 10));
  const digits = digitsFor(Math.max(Math.abs(low), Math.abs(high)), distance);
  // Nobody reads twelve digits of GiB; of a number that counts something they may matter.
  return Math.min(digits, display.quantity === "plain" ? 12 : 6);
}
