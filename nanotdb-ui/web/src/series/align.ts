/** Several series on one time column, as uPlot wants them. */
import { gaps } from "./gaps";
import type { Series, Value } from "./model";

/** undefined: this series has nothing to say at that time (the line goes on); null: a gap (the line ends). */
export type Aligned = (number | null | undefined)[];

export interface Layer {
  series: Series;
  /** Stored values to shown ones. */
  convert: (value: number) => number;
}

export interface AlignedData {
  t: number[];
  /** Per layer: average or value, and the bounds when the layer has buckets. */
  columns: { v: Aligned; min?: Aligned; max?: Aligned }[];
}

/** A gap, and a time inside of it. */
interface Cut {
  from: number;
  to: number;
  at: number;
}

/** The time a row is drawn at: a bucket in its middle, a sample where it is. */
export function drawnAt(series: Series, i: number): number {
  return series.t[i] + series.stepMs / 2;
}

export function align(layers: Layer[]): AlignedData {
  const breaks = layers.map(({ series }) => {
    const half = series.stepMs / 2;
    return gaps(series).map(([from, to]): Cut => ({ from: from + half, to: to + half, at: (from + to) / 2 + half }));
  });
  const set = new Set<number>();
  layers.forEach(({ series }, k) => {
    for (let i = 0; i < series.t.length; i++) if (series.v[i] !== null) set.add(drawnAt(series, i));
    for (const { at } of breaks[k]) set.add(at);
  });
  const t = Float64Array.from(set).sort();
  const row = new Map<number, number>();
  t.forEach((ms, i) => row.set(ms, i));
  const place = (series: Series, column: Value[], convert: (v: number) => number, cuts: Cut[]): Aligned => {
    const result: Aligned = new Array(t.length).fill(undefined);
    for (let i = 0; i < series.t.length; i++) {
      const value = column[i];
      if (value !== null && value !== undefined) result[row.get(drawnAt(series, i)) ?? 0] = convert(value);
    }
    // uPlot ends a line only between neighbouring rows, so every row inside of a gap says so.
    for (const { from, to, at } of cuts) {
      const middle = row.get(at) ?? 0;
      for (let i = middle; i >= 0 && t[i] > from; i--) result[i] = null;
      for (let i = middle; i < t.length && t[i] < to; i++) result[i] = null;
    }
    return result;
  };
  return {
    t: Array.from(t),
    columns: layers.map(({ series, convert }, k) => ({
      v: place(series, series.v, convert, breaks[k]),
      min: series.min && place(series, series.min, convert, breaks[k]),
      max: series.max && place(series, series.max, convert, breaks[k]),
    })),
  };
}
