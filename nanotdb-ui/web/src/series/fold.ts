/** Live points added to a series: to the samples, or into the last bucket. */
import type { Series } from "./model";

/** Adds the point, unless it is not newer than what is there. Changes `series`; true when it did. */
export function fold(series: Series, t: number, stored: number | null, rate: boolean): boolean {
  const previous = series.last;
  if (previous && t <= previous.t) return false;
  series.last = { t, v: stored };
  if (series.aggregated || stored === null) return true;
  let v = stored;
  if (rate) {
    if (!previous || previous.v === null || stored < previous.v) return true; // the first, or a counter that was reset
    v = ((stored - previous.v) * 1000) / (t - previous.t);
  }
  if (series.stepMs === 0) {
    series.t.push(t);
    series.v.push(v);
    return true;
  }
  const { min, max, n, stepMs } = series;
  if (!min || !max || !n) return true;
  const start = Math.floor(t / stepMs) * stepMs;
  let at = series.t.length - 1;
  if (at >= 0 && start < series.t[at]) return true;
  // Empty buckets between are kept, as the server sends them; a long pause is one empty bucket.
  if (at >= 0 && start - series.t[at] > 5000 * stepMs) push(series, start - stepMs);
  while (at < 0 || series.t[at] < start) {
    push(series, at < 0 ? start : series.t[at] + stepMs);
    at = series.t.length - 1;
  }
  const count = n[at];
  const sum = (series.v[at] ?? 0) * count + v;
  n[at] = count + 1;
  series.v[at] = sum / (count + 1);
  min[at] = count === 0 ? v : Math.min(min[at] ?? v, v);
  max[at] = count === 0 ? v : Math.max(max[at] ?? v, v);
  return true;
}

function push(series: Series, start: number): void {
  series.t.push(start);
  series.v.push(null);
  series.min?.push(null);
  series.max?.push(null);
  series.n?.push(0);
}

/** Drops what ended before `from`, a batch of rows at a time. */
export function trim(series: Series, from: number): void {
  let count = 0;
  while (count < series.t.length && series.t[count] + series.stepMs < from) count += 1;
  count -= 1; // one stays, so that the line comes in from the edge
  if (count < 32) return;
  for (const column of [series.t, series.v, series.min, series.max, series.n]) column?.splice(0, count);
}
