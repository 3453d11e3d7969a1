/** What stretch of time a page shows, and how it is written into the address. */
import { formatDuration, parseDuration } from "./duration";

/** `auto`: every panel its own lookback. `last`: moves along with the clock. `fixed`: stands still. */
export type Range =
  | { kind: "auto" }
  | { kind: "last"; ms: number }
  | { kind: "fixed"; from: number; to: number };

export const AUTO: Range = { kind: "auto" };
export const MIN_SPAN_MS = 10;
/** What lies around it is no time to a server or to a browser's calendar. */
const MAX_SPAN_MS = 50 * 365 * 86_400_000;

/** Nanoseconds of the server end here, in 1678 and 2261. */
const LAST_MS = 9.2e12;

function shows(from: number, to: number): boolean {
  return from > -LAST_MS && to < LAST_MS && to - from === clampSpan(to - from);
}

/** A length that can be shown. */
export function clampSpan(ms: number): number {
  return Math.min(MAX_SPAN_MS, Math.max(MIN_SPAN_MS, ms));
}

/** A time in the address or typed by hand: Unix milliseconds, ISO text, or "2026-05-01 12:30". */
export function parseTime(text: string): number | null {
  const trimmed = text.trim();
  if (/^-?\d{9,}(\.\d+)?$/.test(trimmed)) return Number(trimmed);
  const ms = Date.parse(trimmed);
  return Number.isNaN(ms) ? null : ms;
}

export function readRange(params: URLSearchParams, fallback: Range = AUTO): Range {
  const from = parseTime(params.get("from") ?? "");
  const to = parseTime(params.get("to") ?? "");
  if (from !== null && to !== null && shows(from, to)) return { kind: "fixed", from, to };
  const ms = parseDuration(params.get("range") ?? "");
  return ms === null ? fallback : { kind: "last", ms: clampSpan(ms) };
}

export function writeRange(params: URLSearchParams, range: Range): void {
  for (const name of ["from", "to", "range"]) params.delete(name);
  if (range.kind === "last") params.set("range", formatDuration(range.ms));
  if (range.kind === "fixed") {
    params.set("from", String(Math.round(range.from)));
    params.set("to", String(Math.round(range.to)));
  }
}

/** The bounds of a range at `now`; `auto` takes `lookbackMs`. */
export function bounds(range: Range, now: number, lookbackMs: number): [number, number] {
  if (range.kind === "fixed") return [range.from, range.to];
  return [now - (range.kind === "last" ? range.ms : lookbackMs), now];
}

/** Narrower (factor below 1) or wider around `centre`, which stays where it is. */
export function zoomed([from, to]: [number, number], factor: number, centre = (from + to) / 2): [number, number] {
  const span = clampSpan((to - from) * factor);
  const share = to > from ? (centre - from) / (to - from) : 0.5;
  return [centre - span * share, centre + span * (1 - share)];
}

/** Moved by a share of its width; negative is into the past. */
export function panned([from, to]: [number, number], share: number): [number, number] {
  const by = (to - from) * share;
  return [from + by, to + by];
}

export const PRESETS: { label: string; ms: number }[] = [
  { label: "5 min", ms: 300_000 },
  { label: "15 min", ms: 900_000 },
  { label: "1 h", ms: 3_600_000 },
  { label: "6 h", ms: 21_600_000 },
  { label: "24 h", ms: 86_400_000 },
  { label: "7 d", ms: 604_800_000 },
  { label: "30 d", ms: 2_592_000_000 },
  { label: "1 y", ms: 31_536_000_000 },
];
