/** What the lines of a chart are asked for with. */
import type { SeriesQuery } from "../state/feed";
import type { LineSpec } from "./ChartPanel";

/** A stretch of time that ends now, or a fixed one. */
export type Stretch = { ms: number } | { from: number; to: number };

/** Samples or buckets in at most `most` columns, aggregates by their windows. */
export function queriesOf(specs: LineSpec[], span: Stretch, most: number): SeriesQuery[] {
  return specs.map(({ db, metric, rate, aggregate, windowMs, ends, earlier }) => ({
    db,
    metric,
    rate,
    aggregate,
    windowMs,
    ...(ends ? { ends } : {}),
    span: { ...span, buckets: most, ...(earlier ? { back: earlier.back } : {}) },
  }));
}
