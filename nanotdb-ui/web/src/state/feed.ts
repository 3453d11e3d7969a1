/**
 * Everything charts and widgets show. They register what they want (`want`); all that is wanted is got in one batch request,
 * then kept current by one stream. Nothing is asked for while the tab is hidden.
 */
import { batch, signal, type Signal } from "@preact/signals";
import { ApiError, request } from "../api/client";
import { Stream } from "../api/stream";
import type { BatchAnswer, BatchRequest, Job } from "../api/types";
import { decoderOf, movedBy, type Series } from "../series/model";
import { fold, trim } from "../series/fold";
import { internalDatabases, loadCatalog, setStatus } from "./catalog";
import { serverNow, setServerTime } from "./clock";
import { link, reportAway, reportLink } from "./connection";
import { settings } from "./server-settings";

/**
 * A moving stretch that ends now, or one that stands still. `back`: what was so many milliseconds earlier, moved to the times
 * of the stretch, to be compared.
 */
export type Span = ({ ms: number } | { from: number; to: number }) & { buckets: number; back?: number };

export interface SeriesQuery {
  db: string;
  metric: string;
  rate?: boolean;
  aggregate?: string;
  windowMs?: number;
  /** With the first and the last sample of the stretch, which buckets do not tell. */
  ends?: boolean;
  /** null: only the last value. */
  span: Span | null;
}

export interface SeriesState {
  loading: boolean;
  series: Series | null;
  error: string | null;
  /** Bounds that the data was asked for. */
  from: number;
  to: number;
}

interface Entry {
  query: SeriesQuery;
  state: Signal<SeriesState>;
  users: number;
  /** Entries wanted together, by one panel, are shown together. */
  group: number;
  asked: boolean;
  /** The request that is to fill it: what an older one brings is not taken. */
  load: number;
  /** Server time up to which everything is here: by the batch, then by the stream. */
  upTo: number;
}

const entries = new Map<string, Entry>();
export const job = signal<Job | null>(null);
/** ETag of dashboard.json as the stream last told. */
export const dashboardEtag = signal<string | null>(null);

function keyOf({ db, metric, rate, aggregate, windowMs, ends, span }: SeriesQuery): string {
  return JSON.stringify([db, metric, rate ? 1 : 0, aggregate ?? "", windowMs ?? 0, ends ? 1 : 0, span]);
}

/** Time of the newest sample that any of the shown series had, but those that the server makes of itself. */
export const newestSeen = signal(0);

function saw({ db }: SeriesQuery, t: number | undefined): void {
  if (t !== undefined && t > newestSeen.peek() && !internalDatabases.peek().has(db)) newestSeen.value = t;
}

let groups = 0;

/** Registers what a panel shows: the state of each, and what to call when it is no longer wanted. */
export function want(queries: SeriesQuery[]): [Signal<SeriesState>, () => void][] {
  groups += 1;
  return queries.map((query) => register(query, groups));
}

function register(query: SeriesQuery, group: number): [Signal<SeriesState>, () => void] {
  const key = keyOf(query);
  let entry = entries.get(key);
  if (!entry) {
    const state = signal<SeriesState>({ loading: true, series: null, error: null, from: 0, to: 0 });
    entries.set(key, (entry = { query, state, users: 0, group, asked: false, load: 0, upTo: 0 }));
  }
  const mine = entry;
  mine.users += 1;
  schedule();
  return [
    mine.state,
    () => {
      mine.users -= 1;
      if (mine.users === 0 && entries.get(key) === mine) entries.delete(key);
      schedule();
    },
  ];
}

let scheduled: ReturnType<typeof setTimeout> | undefined;

/** Widgets register one by one while a page is drawn; a moment later one request serves them all. */
function schedule(): void {
  scheduled ??= setTimeout(() => {
    scheduled = undefined;
    const missing = [...entries.values()].filter((entry) => !entry.asked);
    if (missing.length > 0) void load(missing);
    else openStream();
  }, 5);
}

function boundsOf(span: Span, now: number): [number, number] {
  const back = span.back ?? 0;
  return "ms" in span ? [now - span.ms - back, now - back] : [span.from - back, span.to - back];
}

/** How far after a moving stretch what is asked for goes on. What was earlier is known ahead: the stretch moves into it. */
function ahead(span: Span): number {
  // A moving stretch ends a little ahead, for samples whose clock is.
  return "ms" in span ? (span.back ? span.ms / 4 : 5000) : 0;
}

let generation = 0;
let loads = 0;

/** The request for these, each range in it once. */
function requestOf(list: Entry[], now: number): BatchRequest {
  const ranges: BatchRequest["ranges"] = [];
  const index = new Map<string, number>();
  const series = list.map(({ query: { db, metric, rate, aggregate, windowMs, ends, span } }) => {
    let range: number | null = null;
    if (span) {
      const key = JSON.stringify(span);
      const known = index.get(key);
      range = known ?? ranges.length;
      if (known === undefined) {
        index.set(key, range);
        const [from, to] = boundsOf(span, now);
        ranges.push({ start_ms: Math.floor(from), end_ms: Math.ceil(to + ahead(span)), buckets: span.buckets });
      }
    }
    return {
      db,
      metric,
      range,
      ...(rate ? { rate } : {}),
      ...(aggregate ? { aggregate } : {}),
      ...(windowMs ? { window_ms: windowMs } : {}),
      ...(ends ? { ends } : {}),
    };
  });
  return { ranges, series };
}

async function load(list: Entry[]): Promise<void> {
  if (list.length === 0) return;
  const mine = ++loads;
  for (const entry of list) {
    entry.asked = true;
    entry.load = mine;
    if (!entry.state.peek().loading) entry.state.value = { ...entry.state.peek(), loading: true };
  }
  const current = () => list.filter((entry) => entry.load === mine);
  try {
    const { body } = await request<BatchAnswer>("/api/v1/ui/batch", { json: requestOf(list, serverNow()) });
    setServerTime(body.now_ms);
    if (link.value.state !== "live") reportLink("polling");
    await show(list, body, mine);
    // Charts are drawn first.
    setTimeout(openStream, stream ? 0 : 300);
  } catch (error) {
    const failure = error as ApiError;
    batch(() => {
      for (const entry of current()) {
        entry.asked = false;
        const old = entry.state.peek();
        // What was there stays: it is better than nothing, and the page says how old it is.
        entry.state.value = { ...old, loading: false, error: old.series && failure.away ? null : failure.message };
      }
    });
    if (failure.away) {
      reportAway();
      retryLater();
    }
  }
}

/** Panel by panel: the first is drawn before the next is worked on. */
async function show(list: Entry[], body: BatchAnswer, mine: number): Promise<void> {
  const decode = decoderOf(body);
  const byGroup = new Map<number, number[]>();
  list.forEach(({ group }, i) => byGroup.set(group, [...(byGroup.get(group) ?? []), i]));
  let first = true;
  for (const indexes of byGroup.values()) {
    if (!first) await new Promise((resolve) => setTimeout(resolve));
    first = false;
    batch(() => {
      for (const i of indexes) {
        const entry = list[i];
        if (entry.load !== mine) continue;
        const [from, to] = entry.query.span ? boundsOf(entry.query.span, body.now_ms) : [0, 0];
        const one = decode(i);
        entry.upTo = body.now_ms;
        if ("series" in one && !entry.query.span?.back) saw(entry.query, one.series.last?.t);
        entry.state.value =
          "series" in one
            ? { loading: false, series: movedBy(one.series, entry.query.span?.back ?? 0), error: null, from, to }
            : { loading: false, series: null, error: one.error.message, from, to };
      }
    });
  }
}

let retry: ReturnType<typeof setTimeout> | undefined;
let retryMs = 1000;

function retryLater(): void {
  retry ??= setTimeout(() => {
    retry = undefined;
    retryMs = Math.min(15_000, retryMs * 2);
    if (!document.hidden) schedule();
  }, retryMs);
}

/** Everything again: after the server came back, after the tab was hidden, on request. */
export function refresh(): void {
  generation += 1;
  retryMs = 1000;
  const list = [...entries.values()];
  if (list.length > 0) void load(list);
}

/** What the server refused, because there was no such metric yet: there are new ones now. */
function askAgain(): void {
  const refused = [...entries.values()].filter(({ state }) => state.peek().error !== null && !state.peek().loading);
  if (refused.length > 0) void load(refused);
}

// ---- the stream ----

let stream: Stream | null = null;
let streamed: string[] = [];
let listeners: Entry[][] = [];
let poll: ReturnType<typeof setInterval> | undefined;

function liveEntries(): Entry[] {
  return [...entries.values()].filter(({ query: { span } }) => span === null || ("ms" in span && !span.back));
}

/** A stream for what is shown now; the one that runs is kept when it carries all of it and not much more. */
export function openStream(): void {
  if (document.hidden || [...entries.values()].some(({ state }) => state.peek().loading)) return;
  const byName = new Map<string, Entry[]>();
  for (const entry of liveEntries()) {
    const name = `${entry.query.db}/${entry.query.metric}`;
    byName.set(name, [...(byName.get(name) ?? []), entry]);
  }
  const names = [...byName.keys()].sort().slice(0, 1000);
  const same = stream && names.length === streamed.length && names.every((name, i) => name === streamed[i]);
  listeners = names.map((name) => byName.get(name) ?? []);
  if (same) return;
  streamed = names;
  stream?.close();
  let wasLost = false;
  stream = new Stream(streamUrl, {
    open: () => {
      clearInterval(poll);
      poll = undefined;
      reportLink("live");
      if (wasLost) {
        wasLost = false;
        void loadCatalog();
        refresh();
      }
    },
    lost: () => {
      if (!wasLost) {
        wasLost = true;
        pollMeanwhile();
      }
    },
    points: takePoints,
    status: (next) => {
      setServerTime(next.now_ms);
      setStatus(next);
      for (const entry of listeners.flat()) entry.upTo = next.now_ms;
    },
    catalog: () => {
      void loadCatalog();
      askAgain();
    },
    dashboard: (etag) => (dashboardEtag.value = etag),
    job: (next) => (job.value = next),
    reset: refresh,
  });
}

function streamUrl(): string {
  const params = new URLSearchParams();
  for (const name of streamed) params.append("s", name);
  // From a little before what is there: samples may be sent with a clock that is behind. Doubles are dropped.
  const known = liveEntries().map(({ upTo }) => upTo).filter((upTo) => upTo > 0);
  const since = known.length > 0 ? Math.min(...known) - 5000 : serverNow();
  params.set("since_ms", String(Math.floor(Math.max(since, serverNow() - 600_000))));
  params.set("every_ms", String(Math.min(settings.refresh_seconds * 1000, 2000)));
  return `/api/v1/ui/stream?${params}`;
}

/** Without a stream (a proxy that cuts it, too many tabs) the values are polled; a server that is gone answers neither. */
function pollMeanwhile(): void {
  if (poll) return;
  const ask = () => {
    if (!document.hidden) void (entries.size > 0 ? load([...entries.values()]) : loadCatalog());
  };
  ask();
  poll = setInterval(ask, Math.max(10, settings.refresh_seconds) * 1000);
}

function takePoints(rows: number[][]): void {
  const changed = new Set<Entry>();
  for (const row of rows) {
    for (let k = 1; k + 1 < row.length; k += 2) {
      for (const entry of listeners[row[k]] ?? []) {
        const { series } = entry.state.peek();
        if (series && fold(series, row[0], row[k + 1], entry.query.rate ?? false)) changed.add(entry);
      }
    }
  }
  const now = serverNow();
  batch(() => {
    for (const entry of changed) {
      const old = entry.state.peek();
      saw(entry.query, old.series?.last?.t);
      if (old.series && entry.query.span && "ms" in entry.query.span) trim(old.series, now - entry.query.span.ms);
      entry.state.value = { ...old };
    }
  });
  refreshAggregates(changed);
  refreshCrowded(changed);
}

/** Percentiles and sums cannot be folded, nor a first sample that the stretch has left behind; they are asked for again, at most every minute. */
let aggregatesAt = 0;
function refreshAggregates(changed: Set<Entry>): void {
  const due = [...changed].filter(({ query: { span }, state }) => {
    const { series } = state.peek();
    return series?.aggregated || (series?.ends && span && "ms" in span && series.ends.first.t < serverNow() - span.ms);
  });
  if (due.length === 0 || Date.now() - aggregatesAt < 60_000) return;
  aggregatesAt = Date.now();
  void load(due);
}

/** Samples that came one by one until there are far more than pixels: the server makes buckets of them. */
let crowdedAt = 0;
function refreshCrowded(changed: Set<Entry>): void {
  const due = [...changed].filter(({ query: { span }, state }) => {
    const { series, loading } = state.peek();
    return span && series && !loading && series.stepMs === 0 && series.t.length > 2 * span.buckets;
  });
  if (due.length === 0 || Date.now() - crowdedAt < 5000) return;
  crowdedAt = Date.now();
  void load(due);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stream?.close();
    stream = null;
    streamed = [];
    clearInterval(poll);
    poll = undefined;
  } else {
    const before = generation;
    setTimeout(() => {
      if (before !== generation || document.hidden) return;
      refresh();
      openStream();
    }, 50);
  }
});
