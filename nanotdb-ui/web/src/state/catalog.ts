/** Databases and metrics, got once and again when the server says that there are new ones. */
import { computed, signal } from "@preact/signals";
import { request, ApiError } from "../api/client";
import type { CatalogAnswer, StatusAnswer } from "../api/types";
import { serverNow, setServerTime } from "./clock";
import { reportAway } from "./connection";
import { staleAfter } from "../series/stale";

export const catalog = signal<CatalogAnswer | null>(null);
export const catalogError = signal<string | null>(null);
export const status = signal<StatusAnswer | null>(null);
/** Samples per second, counted over a minute of status events; those that the server stores of itself are among them. */
export const countedRate = signal<number | null>(null);

let running: Promise<void> | null = null;

export function loadCatalog(): Promise<void> {
  running ??= (async () => {
    try {
      const { body } = await request<CatalogAnswer>("/api/v1/ui/catalog?internal=true");
      setServerTime(body.now_ms);
      catalog.value = body;
      catalogError.value = null;
      setStatus(body.status);
    } catch (error) {
      if (error instanceof ApiError && error.away) reportAway();
      catalogError.value = (error as Error).message;
    } finally {
      running = null;
    }
  })();
  return running;
}

/** The catalog for a page that opens: the one that another page, or the start, got a moment ago will do. */
export function needCatalog(): Promise<void> {
  const fresh = catalog.peek() && serverNow() - (catalog.peek()?.now_ms ?? 0) < 10_000;
  return fresh ? Promise.resolve() : loadCatalog();
}

const RATE_MS = 60_000;
let counts: StatusAnswer[] = [];

export function setStatus(next: StatusAnswer): void {
  status.value = next;
  if (next.samples_total < (counts.at(-1)?.samples_total ?? 0)) counts = []; // started anew
  counts.push(next);
  while (counts.length > 2 && next.now_ms - counts[1].now_ms >= RATE_MS) counts.shift();
  const [first] = counts;
  const ms = next.now_ms - first.now_ms;
  countedRate.value = ms >= RATE_MS ? ((next.samples_total - first.samples_total) * 1000) / ms : null;
}

export interface MetricInfo {
  db: string;
  metric: string;
  type: string;
  internal: boolean;
  last: number | null;
  lastMs: number | null;
  intervalMs: number | null;
}

export const allMetrics = computed<MetricInfo[]>(() =>
  (catalog.value?.databases ?? []).flatMap((db) =>
    db.metrics.map((metric, i) => ({
      db: db.name,
      metric,
      type: db.types[i],
      internal: db.internal,
      last: db.last[i],
      lastMs: db.last_ms[i],
      intervalMs: db.interval_ms[i],
    })),
  ),
);

export const internalDatabases = computed(() => new Set((catalog.value?.databases ?? []).flatMap(({ name, internal }) => (internal ? [name] : []))));

/** What the status line says of all metrics but the server's own: made once for a catalog, not every second. */
export const summary = computed(() => {
  const sum = { metrics: 0, own: 0, newest: 0, interval: Infinity };
  for (const { internal, lastMs, intervalMs } of allMetrics.value) {
    if (internal) {
      sum.own += 1;
      continue;
    }
    sum.metrics += 1;
    if (lastMs !== null && lastMs > sum.newest) sum.newest = lastMs;
    if (intervalMs !== null && intervalMs < sum.interval) sum.interval = intervalMs;
  }
  return sum;
});

/** Samples per second as the usual distances of the metrics promise, of the server's own apart. */
export const promised = computed(() => {
  const at = catalog.value?.now_ms ?? 0;
  const sum = { samples: 0, own: 0 };
  for (const { lastMs, intervalMs, internal } of allMetrics.value) {
    if (!intervalMs || lastMs === null || at - lastMs > staleAfter(intervalMs)) continue;
    sum[internal ? "own" : "samples"] += 1000 / intervalMs;
  }
  return sum;
});
