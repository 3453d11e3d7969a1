/** What there is, without any configuration: status, and charts of metric families, database by database. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { CatalogDatabase } from "../api/types";
import { ChartPanel, type LineSpec } from "../charts/ChartPanel";
import { Button } from "../components/Button";
import { Link } from "../components/Link";
import { StatusStrip } from "../components/StatusStrip";
import { TimeBar } from "../components/TimeBar";
import { Waiting } from "../components/Waiting";
import { catalog, catalogError, loadCatalog, needCatalog, summary } from "../state/catalog";
import { openStream } from "../state/feed";
import { serverNow } from "../state/clock";
import { clockStyle, unitStyle } from "../state/prefs";
import { query, setQuery } from "../state/router";
import { settings } from "../state/server-settings";
import { range, setRange } from "../state/time-range";
import { formatAge } from "../time/duration";
import { formatDateTime } from "../time/format";
import { PRESETS } from "../time/range";
import { displayOf } from "../scale/units";
import { grouped } from "../scale/number";
import { families, type Family, inOrder, matching, shares, shortNames } from "../series/family";

export const HOME_MS = 3_600_000;
/** Charts at first, and so many more with each click. */
const FIRST = 12;
const LINES = 6;
/** Full screen. */
const ALL_LINES = 24;
/** Databases that have charts at first. */
const MOST_DATABASES = 12;
/** A stretch of samples that says something; what comes more rarely is shown over a longer time. */
const ENOUGH_SAMPLES = 24;
/** Clocks differ by this much. */
const AHEAD_MS = 60_000;

interface Section {
  db: CatalogDatabase;
  list: Family[];
}

function specsOf(family: Family, most: number): LineSpec[] {
  const { db, rate } = family;
  const shown = inOrder(family).slice(0, most);
  const labels = shortNames(shown);
  return shown.map((metric, i) => ({
    db,
    metric,
    label: labels[i],
    rate,
    display: displayOf(metric, rate, unitStyle.value),
  }));
}

function noteOf({ metrics }: Family, most: number): string | undefined {
  const more = metrics.length - most;
  return more > 0 ? `${more} more ${most === LINES ? "in full screen and in" : "in"} Explore` : undefined;
}

/** The stretch of a chart while none is chosen: an hour, or as long as its samples need to be a line. */
function ownStretch(intervalMs: number | null): number {
  const needed = (intervalMs ?? 0) * ENOUGH_SAMPLES;
  return needed <= HOME_MS ? HOME_MS : (PRESETS.find(({ ms }) => ms >= needed)?.ms ?? needed);
}

function Chart({ family, intervalMs, several }: { family: Family; intervalMs: number | null; several: boolean }) {
  const full = query.value.get("panel") === family.id;
  const current = range.value;
  const own = ownStretch(intervalMs);
  const span = useMemo(
    () => (current.kind === "fixed" ? { from: current.from, to: current.to } : { ms: current.kind === "last" ? current.ms : own }),
    [current, own],
  );
  const most = full ? ALL_LINES : LINES;
  const specs = useMemo(() => specsOf(family, most), [family, most, unitStyle.value]);
  const longer = current.kind === "auto" && own > HOME_MS ? `Last ${PRESETS.find(({ ms }) => ms === own)?.label ?? formatAge(own)}` : "";
  return (
    <ChartPanel
      id={family.id}
      title={several ? `${family.db} · ${family.title}` : family.title}
      specs={specs}
      note={[longer, noteOf(family, most)].filter(Boolean).join("; ") || undefined}
      span={span}
    />
  );
}

/** Notices about all of the page: what cannot be read, and times that are not what they seem. */
function Notices({ databases, unknown }: { databases: CatalogDatabase[]; unknown: string | null }) {
  const { newest } = summary.value;
  const current = range.value;
  const moving = current.kind !== "fixed";
  const shown = current.kind === "last" ? current.ms : HOME_MS;
  return (
    <>
      {unknown !== null && (
        <p class="notice bad" role="alert">
          There is no database “{unknown}”. <Link href="/">All databases</Link>
        </p>
      )}
      {databases
        .filter(({ state }) => state === "failed")
        .map(({ name, reason }) => (
          <p key={name} class="notice bad" role="alert">
            Database <Link href={`${settings.engine_path}?db=${encodeURIComponent(name)}`}>{name}</Link> cannot be read{reason ? `: ${reason}` : "."}
          </p>
        ))}
      {moving && newest > 0 && newest < serverNow() - shown && (
        <p class="row wrap notice">
          There are no samples in this time; the newest are of {formatDateTime(newest, clockStyle.value)}.
          <Button onClick={() => setRange({ kind: "fixed", from: newest - HOME_MS, to: newest + 1 })}>Show them</Button>
        </p>
      )}
      {newest > serverNow() + AHEAD_MS && (
        <p class="row wrap notice">
          The newest samples are {formatAge(newest - serverNow())} in the future: the clock of who sends them, or that of this server, is wrong.
          <Button onClick={() => setRange({ kind: "fixed", from: newest - HOME_MS, to: newest + 1 })}>Show them</Button>
        </p>
      )}
    </>
  );
}

export function Home() {
  /** Charts beyond the first of each database, by clicks. */
  const more = useSignal(new Map<string, number>());
  const allDatabases = useSignal(false);
  useEffect(() => {
    // Charts open the stream with their series; without any, one is needed to hear of the first sample.
    void needCatalog().then(() => setTimeout(openStream, 500));
  }, []);
  const known = catalog.value;
  const databases = known?.databases.filter((db) => !db.internal && db.metrics.length > 0) ?? [];
  const broken = known?.databases.filter((db) => !db.internal && db.state === "failed") ?? [];
  const chosen = query.value.get("db");
  const search = query.value.get("q") ?? "";
  const whole = useMemo<Section[]>(
    () => databases.filter((db) => !chosen || db.name === chosen).map((db) => ({ db, list: families(db.name, db.metrics) })),
    [known, chosen],
  );
  const sections = useMemo(
    () => whole.map(({ db, list }) => ({ db, list: matching(list, search) })).filter(({ list }) => list.length > 0),
    [whole, search],
  );
  const full = query.value.get("panel");
  if (!known) {
    return catalogError.value ? (
      <div class="message bad" role="alert">
        <h1>No answer yet</h1>
        <p>{catalogError.value}</p>
        <Button onClick={() => void loadCatalog().then(openStream)}>Try again</Button>
      </div>
    ) : (
      <>
        <h1 class="unseen">Home</h1>
        <div class="grid" role="status" aria-label="Loading">
          {[0, 1, 2, 3].map((i) => (
            <div class="panel skeleton" key={i} />
          ))}
        </div>
      </>
    );
  }
  if (databases.length === 0 && broken.length === 0) return <Waiting />;
  const several = databases.length > 1;
  const there = allDatabases.value || search !== "" ? sections : sections.slice(0, MOST_DATABASES);
  const given = shares(there.map(({ list }) => list.length), FIRST);
  const charts = whole.reduce((sum, { list }) => sum + list.length, 0);
  return (
    <>
      <div class="bar row">
        <h1 class="told">Home</h1>
        {several && (
          <select
            aria-label="Database"
            value={chosen ?? ""}
            onChange={(event) => {
              const db = event.currentTarget.value;
              setQuery((params) => (db ? params.set("db", db) : params.delete("db")));
            }}
          >
            <option value="">All databases</option>
            {databases.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        )}
        {charts > FIRST && (
          <input
            type="search"
            class="find"
            placeholder="Search charts"
            aria-label="Search charts"
            value={search}
            onInput={(event) => {
              const words = event.currentTarget.value;
              setQuery((params) => (words ? params.set("q", words) : params.delete("q")), { replace: true });
            }}
          />
        )}
        <TimeBar lookbackMs={HOME_MS} />
      </div>
      <StatusStrip />
      <Notices databases={broken} unknown={chosen && known.databases.every(({ name }) => name !== chosen) ? chosen : null} />
      {search !== "" && sections.length === 0 && <p class="message">No chart has these words.</p>}
      {there.map(({ db, list }, i) => {
        const opened = list.findIndex(({ id }) => id === full);
        const count = Math.max(given[i] + (more.value.get(db.name) ?? 0), opened + 1);
        const rest = list.length - count;
        return (
          <section key={db.name} class="database" aria-label={`Database ${db.name}`}>
            {several && (
              <h2 class="row">
                {db.name}
                <span class="quiet">
                  {grouped(db.metrics.length)} {db.metrics.length === 1 ? "metric" : "metrics"}
                </span>
              </h2>
            )}
            <div class="grid">
              {list.slice(0, count).map((family) => (
                <Chart key={family.id} family={family} intervalMs={db.interval_ms[family.first]} several={several} />
              ))}
            </div>
            {rest > 0 && (
              <div class="row centre">
                <Button icon="down" onClick={() => (more.value = new Map(more.value).set(db.name, (more.value.get(db.name) ?? 0) + FIRST))}>
                  {Math.min(FIRST, rest)} more of {grouped(rest)} {several ? `charts of ${db.name}` : "charts"}
                </Button>
              </div>
            )}
          </section>
        );
      })}
      {there.length < sections.length && (
        <div class="row centre">
          <Button icon="down" onClick={() => (allDatabases.value = true)}>
            {sections.length - there.length} more databases
          </Button>
        </div>
      )}
    </>
  );
}
