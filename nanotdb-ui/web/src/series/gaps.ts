/** Where a series has no data although it should: the line must not be drawn across. */
import type { Series } from "./model";

/** A distance this many times the usual one is a gap. */
const FACTOR = 3;
/** Distances on each side of one that say what is usual there. */
const AROUND = 5;

export function median(values: number[]): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/**
 * The stretches without data inside a series, as [from, to]. What is usual is what the server tells of the newest samples,
 * or, where samples came more rarely at the time, what was usual then. Empty buckets are a gap only once they are longer
 * than that: a bucket narrower than the distance of samples is empty by nature.
 */
export function gaps(series: Series): [number, number][] {
  const times: number[] = [];
  for (let i = 0; i < series.t.length; i++) if (series.v[i] !== null) times.push(series.t[i]);
  const distances = times.slice(1).map((t, i) => t - times[i]);
  const told = series.intervalMs ?? median(distances) ?? Infinity;
  const found: [number, number][] = [];
  distances.forEach((distance, i) => {
    if (distance <= Math.max(told * FACTOR, series.stepMs * 1.5)) return;
    const then = median(distances.slice(Math.max(0, i - AROUND), i + AROUND + 1)) ?? 0;
    const alone = distances.length < 3;
    if (alone || distance > then * FACTOR) found.push([times[i], times[i + 1]]);
  });
  return found;
}
