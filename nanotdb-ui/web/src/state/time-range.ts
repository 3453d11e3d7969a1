/** The stretch of time of the page, which lives in the address: reload, back and links keep it. */
import { computed } from "@preact/signals";
import { bounds, panned, type Range, readRange, writeRange, zoomed } from "../time/range";
import { serverNow } from "./clock";
import { query, setQuery } from "./router";

export const range = computed<Range>(() => readRange(query.value));

/** A new stretch; a step that the back button undoes. */
export function setRange(next: Range, options: { replace?: boolean } = {}): void {
  setQuery((params) => writeRange(params, next), options);
}

export function zoomTo([from, to]: [number, number]): void {
  setRange({ kind: "fixed", from, to });
}

/** Zoom around the middle and moving, from the time bar and the keyboard. `lookbackMs` where the range is `auto`. */
export function zoomBy(factor: number, lookbackMs: number): void {
  const current = bounds(range.value, serverNow(), lookbackMs);
  const now = serverNow();
  // What moves with the clock goes on moving: only its length changes.
  if (range.value.kind !== "fixed") setRange({ kind: "last", ms: Math.max(1000, (now - current[0]) * factor) });
  else zoomTo(zoomed(current, factor));
}

export function panBy(share: number, lookbackMs: number): void {
  zoomTo(panned(bounds(range.value, serverNow(), lookbackMs), share));
}
