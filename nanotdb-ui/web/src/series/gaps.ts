/** Where a series has no data although it should: the line must not be drawn across. */
import type { Series } from "./model";

/** How far apart two samples may be before there is a gap between them. Infinity: cannot be known. */
export function gapLimit(series: Series): number {
  const usual = series.intervalMs ?? median(differences(series.t));
  return usual === null ? Infinity : Math.max(usual * 3, 1);
}

function differences(times: number[]): number[] {
  const result: number[] = [];
  for (let i = 1; i < times.length; i++) result.push(times[i] - times[i - 1]);
  return result;
}

export function median(values: number[]): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/**
 * The stretches without data inside a series, as [from, to]. Empty buckets are a gap only once they are longer than
 * samples usually lie apart: a bucket narrower than that is empty by nature.
 */
export function gaps(series: Series): [number, number][] {
  const limit = Math.max(gapLimit(series), series.stepMs * 1.5);
  const found: [number, number][] = [];
  let before: number | null = null;
  for (let i = 0; i < series.t.length; i++) {
    if (series.v[i] === null) continue;
    if (before !== null && series.t[i] - before > limit) found.push([before, series.t[i]]);
    before = series.t[i];
  }
  return found;
}
