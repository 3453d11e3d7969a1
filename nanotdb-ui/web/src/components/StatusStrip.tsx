/** How the server and what comes in are doing. */
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { catalog, countedRate, loadCatalog, promised, status, summary } from "../state/catalog";
import { now } from "../state/clock";
import { link } from "../state/connection";
import { newestSeen } from "../state/feed";
import { unitStyle } from "../state/prefs";
import { settings } from "../state/server-settings";
import { formatAge } from "../time/duration";
import { formatBytes, grouped, significant } from "../scale/number";
import { comingIn } from "../series/rate";
import { staleAfter } from "../series/stale";
import { Badge } from "./Badge";
import { Link } from "./Link";

/** Where nothing seems to come in, the catalog knows of metrics that no chart shows; it is asked so often. */
const ASK_MS = 30_000;
/** So long after the last one refused lines call for attention. */
const NEWS_MS = 600_000;

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

const list = (names: string[]) => (names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", "));

/** What is wrong with databases, in words. */
function troubles(readOnly: string[]): string {
  const known = catalog.value?.databases ?? [];
  const failed = known.filter(({ state }) => state === "failed").map(({ name }) => name);
  const stuck = known.filter(({ state }) => state === "read_only").map(({ name }) => name);
  const rest = [...new Set([...stuck, ...readOnly])].filter((name) => !failed.includes(name));
  return [failed.length > 0 ? `${list(failed)} cannot be read` : "", rest.length > 0 ? `${list(rest)} not writable` : ""].filter(Boolean).join("; ");
}

function Rejected({ total, at }: { total: number; at: number | null }) {
  if (total === 0) return <>none</>;
  const fresh = at !== null && now.value - at < NEWS_MS;
  return (
    <Link href={`${settings.engine_path}?show=refused`}>
      {fresh ? <Badge kind="warning">{grouped(total)}</Badge> : grouped(total)}
    </Link>
  );
}

export function StatusStrip() {
  const current = status.value;
  const { metrics, own: ownMetrics, newest: catalogued, interval } = summary.value;
  const newest = Math.max(catalogued, newestSeen.value);
  const quiet = newest > 0 && now.value - newest > staleAfter(Number.isFinite(interval) ? interval : null);
  const ask = quiet && now.value - (catalog.value?.now_ms ?? 0) > ASK_MS;
  useEffect(() => {
    if (ask) void loadCatalog();
  }, [ask]);
  if (!current) return null;
  const binary = unitStyle.value.bytes === "binary";
  const { samples, own } = promised.value;
  const rate = quiet ? 0 : comingIn(countedRate.value, samples, own, ownMetrics / 60);
  const bad = troubles(current.read_only);
  const away = link.value.state === "away";
  // Samples came, and not long enough to tell how many a second.
  const counting = rate === 0 && !quiet && newest > 0 && countedRate.value === null;
  return (
    <dl class="strip" aria-label="Status">
      <Fact name="State">
        {away ? (
          <Badge kind="away">no answer</Badge>
        ) : bad ? (
          <Link href={settings.engine_path}>
            <Badge kind="critical">{bad}</Badge>
          </Link>
        ) : quiet ? (
          <Badge kind="stale">no samples for {formatAge(now.value - newest)}</Badge>
        ) : (
          <Badge kind="ok">taking samples</Badge>
        )}
      </Fact>
      {(current.warnings ?? 0) > 0 && (
        <Fact name="Warnings">
          <Link href={settings.engine_path}>
            <Badge kind="warning">{current.warnings}</Badge>
          </Link>
        </Fact>
      )}
      <Fact name="Coming in">{away ? "not known" : counting ? "counting …" : rate === 0 ? "nothing" : `${significant(rate, 3)} samples/s`}</Fact>
      <Fact name="Since start">{grouped(current.samples_total)} samples</Fact>
      <Fact name="Rejected">
        <Rejected total={current.rejected_total} at={current.rejected_ms ?? null} />
      </Fact>
      <Fact name="Metrics">{grouped(metrics)}</Fact>
      <Fact name="Data">{formatBytes(current.data_bytes, binary)}</Fact>
      <Fact name="Log">{formatBytes(current.wal_bytes, binary)}</Fact>
      <Fact name="Disk free">{current.disk_free_bytes === null ? "–" : formatBytes(current.disk_free_bytes, binary)}</Fact>
    </dl>
  );
}
