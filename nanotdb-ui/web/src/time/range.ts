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

const YEAR_MS = 365 * 86_400_000;
/** 1980: what is before it, as milliseconds, was most likely meant in seconds. */
const FIRST_MS = 315_532_800_000;

/** A length in the address: as a duration, or in years, which durations of the server do not have. */
function parseLength(text: string): number | null {
  const years = /^(\d+(?:\.\d+)?)y$/.exec(text.trim());
  return years ? Number(years[1]) * YEAR_MS || null : parseDuration(text);
}

/** A time in the address: `now`, `now-6h`, Unix milliseconds, ISO text, or "2026-05-01 12:30". As milliseconds before or after now where `now` is in it. */
type Point = { at: number } | { after: number };

function parsePoint(text: string): Point | null {
  const trimmed = text.trim();
  const relative = /^now\s*(?:([+-])\s*(\S+))?$/i.exec(trimmed);
  if (relative) {
    if (!relative[1]) return { after: 0 };
    const ms = parseLength(relative[2]);
    return ms === null ? null : { after: relative[1] === "-" ? -ms : ms };
  }
  if (/^-?\d{9,}(\.\d+)?$/.test(trimmed)) return { at: Number(trimmed) };
  const ms = Date.parse(trimmed);
  return Number.isNaN(ms) ? null : { at: ms };
}

export interface ReadRange {
  range: Range;
  /** What of the address was not understood, or is impossible. */
  problem: string | null;
}

const EXAMPLES = "such as range=6h, from=now-2h&to=now-1h, or milliseconds since 1970";

function wrongTime(name: string, text: string): string {
  return `${name}=${text} is no time, ${EXAMPLES}`;
}

/** The stretch that an address names; what it cannot be is said, and the usual one is shown. */
export function readRange(params: URLSearchParams, now: number): ReadRange {
  const [from, to, length] = ["from", "to", "range"].map((name) => params.get(name)?.trim() || null);
  const wrong = (problem: string): ReadRange => ({ range: AUTO, problem });
  if (from === null && to === null) {
    if (length === null) return { range: AUTO, problem: null };
    const ms = parseLength(length);
    return ms === null ? wrong(`range=${length} is no length of time, such as 90m, 6h, 7d or 1y`) : { range: { kind: "last", ms: clampSpan(ms) }, problem: null };
  }
  if (from === null) return wrong("to is given without from");
  const start = parsePoint(from);
  const end = parsePoint(to ?? "now");
  if (!start) return wrong(wrongTime("from", from));
  if (to === null && "at" in start) return wrong("from is given without to");
  if (!end) return wrong(wrongTime("to", to ?? ""));
  // What ends now goes on to move.
  if ("after" in start && "after" in end && end.after === 0 && start.after < 0) return { range: { kind: "last", ms: clampSpan(-start.after) }, problem: null };
  const [a, b] = [start, end].map((point) => ("at" in point ? point.at : now + point.after));
  const seconds = [from, to].find((text) => text && /^\d{9,}$/.test(text) && Number(text) < FIRST_MS && Number(text) * 1000 >= FIRST_MS);
  if (seconds) return wrong(`${seconds} looks like seconds; times are milliseconds since 1970`);
  if (b === a) return wrong("from and to are the same time");
  if (b < a) return wrong("from is later than to");
  return shows(a, b) ? { range: { kind: "fixed", from: a, to: b }, problem: null } : wrong("this stretch of time cannot be shown");
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
