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

/** The time a row is drawn at: a bucket in its middle, a sample where it is. */
export function drawnAt(series: Series, i: number): number {
  return series.t[i] + series.stepMs / 2;
}

export function align(layers: Layer[]): AlignedData {
  const breaks = layers.map(({ series }) => gaps(series).map(([from]) => from + series.stepMs / 2 + 0.5));
  const set = new Set<number>();
  layers.forEach(({ series }, k) => {
    for (let i = 0; i < series.t.length; i++) if (series.v[i] !== null) set.add(drawnAt(series, i));
    for (const at of breaks[k]) set.add(at);
  });
  const t = Float64Array.from(set).sort();
  const row = new Map<number, number>();
  t.forEach((ms, i) => row.set(ms, i));
  const place = (series: Series, column: Value[], convert: (v: number) => number, cuts: number[]): Aligned => {
    const result: Aligned = new Array(t.length).fill(undefined);
    for (let i = 0; i < series.t.length; i++) {
      const value = column[i];
      if (value !== null && value !== undefined) result[row.get(drawnAt(series, i)) ?? 0] = convert(value);
    }
    for (const at of cuts) result[row.get(at) ?? 0] = null;
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
