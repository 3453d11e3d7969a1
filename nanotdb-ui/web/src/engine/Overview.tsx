/** The engine as a whole: databases, process, times, settings. */
import type { EngineAnswer } from "../api/types";
import { Badge } from "../components/Badge";
import { Link } from "../components/Link";
import { Table } from "../components/Table";
import { clockStyle, unitStyle } from "../state/prefs";
import { now } from "../state/clock";
import { query } from "../state/router";
import { settings } from "../state/server-settings";
import { formatAge } from "../time/duration";
import { formatDateTime } from "../time/format";
import { formatBytes, grouped, significant } from "../scale/number";
import { formatSeconds } from "../scale/units";
import { Counts } from "./Counts";
import { Refused } from "./Refused";
import { SettingsTable } from "./SettingsTable";
import { Warnings } from "./Warnings";

const milliseconds = (ms: number | null) => (ms === null ? "–" : `${significant(ms, 3)} ms`);

export function bytes(value: number): string {
  return formatBytes(value, unitStyle.value.bytes === "binary");
}

export function StateBadge({ state, reason }: { state: string; reason: string | null }) {
  if (state === "ok") return <Badge kind="ok">ok</Badge>;
  return (
    <>
      <Badge kind="critical">{state === "failed" ? "cannot be read" : state.replace("_", " ")}</Badge>
      {reason && <div class="bad">{reason}</div>}
    </>
  );
}

const NAMES: Record<string, string> = { rss: "memory", cpu: "processor time", os: "system", arch: "processor", "data dir": "data directory" };

/** The fields of `runtime`, in words; what is not named here is shown by its own name. */
function runtimeFacts(runtime: EngineAnswer["runtime"]): [string, string][] {
  return Object.entries(runtime).flatMap(([key, value]): [string, string][] => {
    if (value === null) return [];
    const plain = key.replace(/_(bytes|ms|seconds)$/, "").replaceAll("_", " ");
    const name = NAMES[plain] ?? plain;
    if (typeof value !== "number") return [[name, value]];
    if (key.endsWith("_bytes")) return [[name, bytes(value)]];
    if (key === "started_ms") return [["running for", formatAge(now.value - value)]];
    if (key.endsWith("_ms")) return [[name, formatDateTime(value, clockStyle.value)]];
    if (key.endsWith("_seconds")) return [[name, formatSeconds(value)]];
    return [[name, key === "pid" ? String(value) : grouped(value)]];
  });
}

/** Of what is in the data files: samples in memory take none of their bytes. */
function perSample({ points, open_points, data_bytes }: EngineAnswer["databases"][number]): string {
  const stored = (points ?? 0) - open_points;
  return stored > 0 ? significant(data_bytes / stored, 3) : "–";
}

export function Overview({ engine, reload }: { engine: EngineAnswer; reload: () => void }) {
  // Who comes from the status line wants to see these first.
  const asked = query.value.get("show") === "refused";
  const refused = <Refused requests={engine.rejections ?? []} wanted={asked} />;
  return (
    <>
      <Warnings list={engine.warnings ?? []} onDone={reload} />
      {asked && refused}
      <section class="panel" aria-label="Databases">
        <header class="row">
          <h2>Databases</h2>
        </header>
        <Table
          label="Databases"
          rows={engine.databases}
          id={({ name }) => name}
          empty="There is no database yet: the first sample makes one."
          find={({ name, state }) => `${name} ${state}`}
          columns={[
            { name: "Name", cell: ({ name }) => <Link href={`${settings.engine_path}?db=${encodeURIComponent(name)}`}>{name}</Link> },
            { name: "State", cell: (db) => <StateBadge state={db.state} reason={db.reason} /> },
            { name: "Metrics", number: true, cell: (db) => grouped(db.metrics) },
            { name: "Samples", number: true, cell: (db) => (db.points === null ? "–" : grouped(db.points)) },
            { name: "Data", number: true, cell: (db) => bytes(db.data_bytes) },
            { name: "Bytes per sample", number: true, cell: perSample },
            { name: "Log", number: true, cell: (db) => bytes(db.wal_bytes) },
            { name: "Partitions", number: true, cell: (db) => grouped(db.partitions) },
            { name: "In memory", number: true, cell: (db) => `${grouped(db.open_points)} in ${db.open_pages} ${db.open_pages === 1 ? "page" : "pages"}` },
            { name: "Newest", cell: (db) => (db.last_ms === null ? "–" : `${formatAge(now.value - db.last_ms)} ago`) },
          ]}
        />
      </section>
      {!asked && refused}
      <div class="columns">
        <section class="panel" aria-label="Process">
          <header class="row">
            <h2>Process</h2>
          </header>
          <dl class="facts">
            <div>
              <dt>version</dt>
              <dd>{engine.version}</dd>
            </div>
            {runtimeFacts(engine.runtime).map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
        </section>
        <section class="panel" aria-label="Times">
          <header class="row">
            <h2>Flush and fsync times</h2>
          </header>
          <Table
            label="Flush and fsync times"
            rows={engine.timings}
            id={({ name }) => name}
            empty="None yet."
            columns={[
              { name: "What", cell: ({ name }) => name },
              { name: "Times", number: true, cell: ({ count }) => grouped(count) },
              { name: "Last", number: true, cell: (row) => milliseconds(row.last_ms) },
              { name: "Mean", number: true, cell: (row) => milliseconds(row.mean_ms) },
              { name: "p99", number: true, cell: (row) => milliseconds(row.p99_ms) },
              { name: "Most", number: true, cell: (row) => milliseconds(row.max_ms) },
              { name: "When", cell: (row) => (row.last_at_ms === null ? "–" : `${formatAge(now.value - row.last_at_ms)} ago`) },
            ]}
          />
        </section>
      </div>
      <Counts counters={engine.counters} />
      {engine.plugins && (
        <section class="panel" aria-label="Plugins">
          <header class="row">
            <h2>Plugins</h2>
          </header>
          <Table
            label="Plugins"
            rows={engine.plugins}
            id={({ kind, name }) => `${kind}/${name}`}
            empty="None."
            find={({ kind, name, also, about }) => [kind, name, ...(also ?? []), about].join(" ")}
            columns={[
              { name: "Name", cell: ({ name }) => <code>{name}</code> },
              { name: "Kind", cell: ({ kind }) => kind },
              { name: "Number on disk", number: true, cell: ({ id }) => (id === undefined ? "–" : String(id)) },
              { name: "Also called", cell: ({ also }) => also?.join(", ") },
              { name: "What it is", cell: ({ about }) => about },
            ]}
          />
        </section>
      )}
      <section class="panel" aria-label="Settings of engine.toml">
        <header class="row">
          <h2>engine.toml</h2>
        </header>
        <SettingsTable label="Settings of engine.toml" rows={engine.settings} />
      </section>
    </>
  );
}
