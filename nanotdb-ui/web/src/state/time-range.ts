/** The stretch of time of the page, which lives in the address: reload, back and links keep it. */
import { computed, signal } from "@preact/signals";
import { bounds, clampSpan, panned, type Range, readRange, writeRange, zoomed } from "../time/range";
import { serverNow } from "./clock";
import { query, setQuery, stepped } from "./router";

const read = computed(() => readRange(query.value, serverNow()));

export const range = computed<Range>(() => read.value.range);

/** What of the address could not be read as a stretch of time. */
export const rangeProblem = computed(() => read.value.problem);

/** What the page shows while the range is `auto`; its time bar says it. */
export const lookback = signal(3_600_000);

/** A new stretch; a step that the back button undoes. */
export function setRange(next: Range, options: { replace?: boolean } = {}): void {
  setQuery((params) => writeRange(params, next), options);
}

/** The range before, where this page had one. */
export function rangeBefore(): void {
  if (stepped.peek()) history.back();
}

export function zoomTo(view: [number, number]): void {
  const [from, to] = zoomed(view, 1); // no shorter than can be shown
  setRange({ kind: "fixed", from, to });
}

/** Zoom around the middle and moving, from the time bar and the keyboard. */
export function zoomBy(factor: number): void {
  const current = bounds(range.value, serverNow(), lookback.peek());
  const now = serverNow();
  // What moves with the clock goes on moving: only its length changes.
  if (range.value.kind !== "fixed") setRange({ kind: "last", ms: Math.max(1000, clampSpan((now - current[0]) * factor)) });
  else zoomTo(zoomed(current, factor));
}

export function panBy(share: number): void {
  zoomTo(panned(bounds(range.value, serverNow(), lookback.peek()), share));
}
