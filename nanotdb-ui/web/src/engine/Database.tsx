/** One database: partitions, pages in memory, log, catalog, manifest. */
import { useSignal } from "@preact/signals";
import { getDatabase } from "../api/engine";
import type { DatabaseAnswer } from "../api/types";
import { Badge } from "../components/Badge";
import { Icon } from "../components/Icon";
import { Loaded } from "../components/Loaded";
import { Table } from "../components/Table";
import { exploreLink } from "../charts/ChartPanel";
import { Link } from "../components/Link";
import { catalog } from "../state/catalog";
import { now } from "../state/clock";
import { clockStyle, unitStyle } from "../state/prefs";
import { useAnswer } from "../state/use-answer";
import { displayOf, formatSeconds, formatShown, looksLikeCounter, shown } from "../scale/units";
import { grouped } from "../scale/number";
import { formatAge } from "../time/duration";
import { formatDateTime } from "../time/format";
import { Jobs } from "./Jobs";
import { bytes, StateBadge } from "./Overview";
import { Partitions } from "./Partitions";
import { SettingsTable } from "./SettingsTable";
import { Warnings } from "./Warnings";

export function Database({ name }: { name: string }) {
  const again = useSignal(0);
  const answer = useAnswer(() => getDatabase(name), name, 30_000);
  return (
    <div class="stack">
      <Jobs again={again.value} onDone={answer.reload} />
      <Loaded what={`Database ${name}`} answer={answer}>
        {(db) =>
          db.state === "failed" ? (
            <Unreadable db={db} />
          ) : (
          <>
            {db.state !== "ok" && (
              <p>
                <StateBadge state={db.state} reason={db.reason} />
              </p>
            )}
            <Warnings list={db.warnings ?? []} db={name} onDone={answer.reload} />
            <Partitions db={name} partitions={db.partitions} onStarted={() => (again.value += 1)} />
            <div class="columns">
              <Log db={db} />
              <Pages db={db} />
            </div>
            <Metrics name={name} />
            <section class="panel" aria-label="Settings of manifest.toml">
              <header class="row">
                <h2>manifest.toml</h2>
              </header>
              <SettingsTable label="Settings of manifest.toml" rows={db.manifest} />
            </section>
          </>
        )}
      </Loaded>
    </div>
  );
}

/** Nothing is known of it but why. */
function Unreadable({ db: { name, reason } }: { db: DatabaseAnswer }) {
  return (
    <div class="message bad" role="alert">
      <Icon name="critical" />
      <p>
        Database {name} cannot be read{reason ? `: ${reason}` : "."}
      </p>
      <p class="quiet">Its files are left as they are, and nothing is written to it. The others go on. “nanocli verify” says what is wrong with them, “nanocli recover” saves what can be read.</p>
    </div>
  );
}

function Log({ db: { wal, wal_tail } }: { db: DatabaseAnswer }) {
  const [state, detail] = wal.tail.split(/: (.*)/s);
  return (
    <section class="panel" aria-label="Write-ahead log">
      <header class="row">
        <h2>Write-ahead log</h2>
        {!wal.enabled ? <Badge kind="warning">off</Badge> : <Badge kind={state === "clean" ? "ok" : "warning"}>end {state}</Badge>}
      </header>
      <dl class="facts">
        {wal.files.map((file) => (
          <div key={file.name}>
            <dt>{file.name}</dt>
            <dd>{bytes(file.bytes)}</dd>
          </div>
        ))}
        <div>
          <dt>records</dt>
          <dd>{wal.records === null ? "–" : grouped(wal.records)}</dd>
        </div>
        <div>
          <dt>fsync</dt>
          <dd>
            {wal.fsync_policy}
            {wal.last_fsync_ms === null ? "" : `, ${formatAge(now.value - wal.last_fsync_ms)} ago`}
          </dd>
        </div>
        <div>
          <dt>not yet on the disk</dt>
          <dd>{wal.unsynced_batches === 0 ? "nothing" : `${grouped(wal.unsynced_batches)} ${wal.unsynced_batches === 1 ? "batch" : "batches"}`}</dd>
        </div>
      </dl>
      {detail && <p class="quiet">{detail}</p>}
      <h3>Newest records</h3>
      <Table
        label="Newest records of the log"
        rows={wal_tail}
        id={(row) => `${row.metric}${row.t_ms}`}
        empty="The log is empty: everything is in the data files."
        columns={[
          { name: "Metric", cell: ({ metric }) => metric },
          { name: "Value", number: true, cell: ({ v }) => (v === null ? "–" : String(v)) },
          { name: "Time", cell: ({ t_ms }) => formatDateTime(t_ms, clockStyle.value, "ms") },
        ]}
      />
    </section>
  );
}

function Pages({ db }: { db: DatabaseAnswer }) {
  return (
    <section class="panel" aria-label="Pages in memory">
      <header class="row">
        <h2>Pages in memory</h2>
      </header>
      <Table
        label="Pages in memory"
        rows={db.open_pages}
        id={(row) => `${row.partition}${row.opened_ms}`}
        empty="None: everything is in the data files."
        columns={[
          { name: "Partition", cell: ({ partition }) => partition },
          { name: "Samples", number: true, cell: ({ points }) => grouped(points) },
          { name: "Size", number: true, cell: (page) => bytes(page.bytes) },
          { name: "Open for", number: true, cell: ({ opened_ms }) => (opened_ms === null ? "–" : formatAge(now.value - opened_ms)) },
        ]}
      />
    </section>
  );
}

function Metrics({ name }: { name: string }) {
  const db = catalog.value?.databases.find((one) => one.name === name);
  const style = unitStyle.value;
  if (!db) return null;
  return (
    <section class="panel" aria-label="Metrics">
      <header class="row">
        <h2>Metrics</h2>
        <span class="quiet">{grouped(db.metrics.length)}</span>
      </header>
      <Table
        label="Metrics"
        rows={db.metrics.map((metric, i) => ({ metric, i }))}
        id={({ metric }) => metric}
        find={({ metric }) => metric}
        empty="None yet."
        columns={[
          {
            name: "Metric",
            cell: ({ metric }) => (
              <Link href={exploreLink([{ db: name, metric, label: metric, rate: looksLikeCounter(metric), display: displayOf(metric, false, style) }], { ms: 3_600_000 })}>
                {metric}
              </Link>
            ),
          },
          { name: "Type", cell: ({ i }) => db.types[i] },
          {
            name: "Last value",
            number: true,
            cell: ({ metric, i }) => {
              const last = db.last[i];
              const display = displayOf(metric, false, style);
              return last === null ? "–" : formatShown(shown(last, display), display, style);
            },
          },
          {
            name: "Age",
            number: true,
            cell: ({ i }) => {
              const at = db.last_ms[i];
              return at === null ? "–" : formatAge(now.value - at);
            },
          },
          {
            name: "Every",
            number: true,
            cell: ({ i }) => {
              const interval = db.interval_ms[i];
              return interval === null ? "–" : interval < 1000 ? formatSeconds(interval / 1000) : formatAge(interval);
            },
          },
        ]}
      />
    </section>
  );
}
