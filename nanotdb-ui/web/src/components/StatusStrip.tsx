/** How the server and what comes in are doing. */
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { allMetrics, catalog, countedRate, loadCatalog, promised, status } from "../state/catalog";
import { now } from "../state/clock";
import { newestSeen } from "../state/feed";
import { unitStyle } from "../state/prefs";
import { formatAge } from "../time/duration";
import { formatBytes, grouped, significant } from "../scale/number";
import { comingIn } from "../series/rate";
import { staleAfter } from "../series/stale";
import { Badge } from "./Badge";

/** Where nothing seems to come in, the catalog knows of metrics that no chart shows; it is asked so often. */
const ASK_MS = 30_000;

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

export function StatusStrip() {
  const current = status.value;
  const metrics = allMetrics.value.filter(({ internal }) => !internal);
  const newest = metrics.reduce((most, { lastMs }) => Math.max(most, lastMs ?? 0), newestSeen.value);
  const interval = metrics.reduce((least, { intervalMs }) => Math.min(least, intervalMs ?? Infinity), Infinity);
  const quiet = newest > 0 && now.value - newest > staleAfter(Number.isFinite(interval) ? interval : null);
  const ask = quiet && now.value - (catalog.value?.now_ms ?? 0) > ASK_MS;
  useEffect(() => {
    if (ask) void loadCatalog();
  }, [ask]);
  if (!current) return null;
  const binary = unitStyle.value.bytes === "binary";
  const { samples, own } = promised.value;
  const ownMetrics = allMetrics.value.length - metrics.length;
  const rate = quiet ? 0 : comingIn(countedRate.value, samples, own, ownMetrics / 60);
  const bad = catalog.value?.databases.filter(({ state }) => state !== "ok") ?? [];
  return (
    <dl class="strip" aria-label="Status">
      <Fact name="State">
        {bad.length > 0 || current.read_only.length > 0 ? (
          <Badge kind="critical">{[...new Set([...bad.map(({ name }) => name), ...current.read_only])].join(", ")} not writable</Badge>
        ) : quiet ? (
          <Badge kind="stale">no samples for {formatAge(now.value - newest)}</Badge>
        ) : (
          <Badge kind="ok">taking samples</Badge>
        )}
      </Fact>
      <Fact name="Coming in">{rate === 0 ? "nothing" : `${significant(rate, 3)} samples/s`}</Fact>
      <Fact name="Since start">{grouped(current.samples_total)} samples</Fact>
      <Fact name="Rejected">
        {current.rejected_total > 0 ? <Badge kind="warning">{grouped(current.rejected_total)}</Badge> : "none"}
      </Fact>
      <Fact name="Metrics">{grouped(metrics.length)}</Fact>
      <Fact name="Data">{formatBytes(current.data_bytes, binary)}</Fact>
      <Fact name="Log">{formatBytes(current.wal_bytes, binary)}</Fact>
      <Fact name="Disk free">{current.disk_free_bytes === null ? "–" : formatBytes(current.disk_free_bytes, binary)}</Fact>
    </dl>
  );
}
