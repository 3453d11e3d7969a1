/** A series as the pages hold it, and how it is made of a batch answer. */
import type { BatchAnswer, SeriesAnswer } from "../api/types";

export type Value = number | null;

/**
 * Columns of equal length, ordered by time. For buckets `t` is the bucket's start, `v` its average, and `min`, `max`, `n` are there;
 * for samples and single aggregates they are not. A null in `v` is an empty bucket.
 */
export interface Series {
  type: string;
  intervalMs: number | null;
  last: { t: number; v: Value } | null;
  /** First and last sample of the stretch, where they were asked for. */
  ends?: { first: { t: number; v: Value }; last: { t: number; v: Value } };
  /** Width of a bucket; 0 for samples. */
  stepMs: number;
  /** Whether `v` is one aggregate per bucket, which live points cannot be folded into. */
  aggregated: boolean;
  t: number[];
  v: Value[];
  min?: Value[];
  max?: Value[];
  n?: number[];
  warning?: string;
}

/** Whether row `i` has to do with [from, to]: a sample lies in it, a bucket reaches into it. */
export function within(series: Series, i: number, from: number, to: number): boolean {
  const t = series.t[i];
  return t <= to && (series.stepMs > 0 ? t + series.stepMs > from : t >= from);
}

/** Times written as a first one and differences. */
export function undelta(deltas: number[]): number[] {
  const times = new Array<number>(deltas.length);
  let at = 0;
  for (let i = 0; i < deltas.length; i++) times[i] = at += deltas[i];
  return times;
}

function steps(t0: number, step: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => t0 + i * step);
}

export function decodeSeries(answer: Exclude<SeriesAnswer, { error: unknown }>, times: number[][]): Series {
  const common = {
    type: answer.type,
    intervalMs: answer.interval_ms,
    last: answer.last && { t: answer.last[0], v: answer.last[1] },
    ...(answer.ends && { ends: { first: { t: answer.ends[0][0], v: answer.ends[0][1] }, last: { t: answer.ends[1][0], v: answer.ends[1][1] } } }),
    warning: answer.warning,
  };
  switch (answer.kind) {
    case "raw":
      return { ...common, stepMs: 0, aggregated: false, t: [...(times[answer.times] ?? [])], v: answer.v };
    case "buckets": {
      const { step_ms: stepMs, n, min, avg, max } = answer;
      return { ...common, stepMs, aggregated: false, t: steps(answer.t0, stepMs, n.length), v: avg, min, max, n };
    }
    case "aggregate": {
      const { step_ms: stepMs, v } = answer;
      return { ...common, stepMs, aggregated: true, t: steps(answer.t0, stepMs, v.length), v };
    }
    case "last":
      return { ...common, stepMs: 0, aggregated: false, t: [], v: [] };
  }
}

/** An earlier stretch, `back` milliseconds later: what it was is told by its name, so that it has no newest value. */
export function movedBy(series: Series, back: number): Series {
  return back === 0 ? series : { ...series, t: series.t.map((t) => t + back), last: null };
}

export type Decoded = { series: Series } | { error: { type: string; message: string } };

/** Decodes the series of an answer one by one, each time column once. */
export function decoderOf(answer: BatchAnswer): (index: number) => Decoded {
  const times: number[][] = [];
  return (index) => {
    const one = answer.series[index];
    if ("error" in one) return { error: one.error };
    if (one.kind === "raw") times[one.times] ??= undelta(answer.times[one.times] ?? []);
    return { series: decodeSeries(one, times) };
  };
}
