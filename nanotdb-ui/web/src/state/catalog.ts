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
/** Samples per second, counted between two status events. */
export const ingestRate = signal<number | null>(null);

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

export function setStatus(next: StatusAnswer): void {
  const before = status.value;
  if (before && next.now_ms - before.now_ms > 900) {
    const samples = next.samples_total - before.samples_total;
    ingestRate.value = samples >= 0 ? (samples * 1000) / (next.now_ms - before.now_ms) : null;
  }
  status.value = next;
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

/** Samples per second as the usual distances of the metrics promise: what is shown until there is a count. */
export const promisedRate = computed<number | null>(() => {
  const at = catalog.value?.now_ms ?? 0;
  const fresh = allMetrics.value.filter(({ lastMs, intervalMs }) => intervalMs && lastMs !== null && at - lastMs <= staleAfter(intervalMs));
  return catalog.value ? fresh.reduce((sum, { intervalMs }) => sum + 1000 / (intervalMs ?? Infinity), 0) : null;
});
