/** What there is, without any configuration: status, one chart per metric family. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { ChartPanel, type LineSpec } from "../charts/ChartPanel";
import { Button } from "../components/Button";
import { StatusStrip } from "../components/StatusStrip";
import { TimeBar } from "../components/TimeBar";
import { Waiting } from "../components/Waiting";
import { catalog, catalogError, loadCatalog, needCatalog } from "../state/catalog";
import { openStream } from "../state/feed";
import { serverNow } from "../state/clock";
import { clockStyle, unitStyle } from "../state/prefs";
import { query, setQuery } from "../state/router";
import { range, setRange } from "../state/time-range";
import { formatDateTime } from "../time/format";
import { displayOf } from "../scale/units";
import { families, type Family, shortNames } from "../series/family";

export const HOME_MS = 3_600_000;
const FIRST = 12;
const LINES = 6;
/** Full screen. */
const ALL_LINES = 24;

function specsOf({ db, metrics, rate }: Family, most: number): LineSpec[] {
  const shown = metrics.slice(0, most);
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

export function Home() {
  const all = useSignal(false);
  useEffect(() => {
    // Charts open the stream with their series; without any, one is needed to hear of the first sample.
    void needCatalog().then(() => setTimeout(openStream, 500));
  }, []);
  const known = catalog.value;
  const databases = known?.databases.filter((db) => !db.internal && db.metrics.length > 0) ?? [];
  const chosen = query.value.get("db");
  const list = useMemo(
    () => databases.filter((db) => !chosen || db.name === chosen).flatMap((db) => families(db.name, db.metrics)),
    [known, chosen],
  );
  const current = range.value;
  const span = current.kind === "fixed" ? current : { ms: current.kind === "last" ? current.ms : HOME_MS };
  const full = query.value.get("panel");
  const newest = databases.flatMap((db) => db.last_ms).reduce<number>((most, ms) => Math.max(most, ms ?? 0), 0);
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
  if (databases.length === 0) return <Waiting />;
  return (
    <>
      <div class="bar row">
        <h1>Home</h1>
        {databases.length > 1 && (
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
        <TimeBar lookbackMs={HOME_MS} />
      </div>
      <StatusStrip />
      {"ms" in span && newest > 0 && newest < serverNow() - span.ms && (
        <p class="row wrap notice">
          There are no samples in this time; the newest are of {formatDateTime(newest, clockStyle.value)}.
          <Button onClick={() => setRange({ kind: "fixed", from: newest - HOME_MS, to: newest + 1 })}>Show them</Button>
        </p>
      )}
      <div class="grid">
        {(all.value || list.some(({ id }, i) => id === full && i >= FIRST) ? list : list.slice(0, FIRST)).map((family) => (
          <ChartPanel
            key={family.id}
            id={family.id}
            title={databases.length > 1 ? `${family.db} · ${family.title}` : family.title}
            specs={specsOf(family, full === family.id ? ALL_LINES : LINES)}
            note={noteOf(family, full === family.id ? ALL_LINES : LINES)}
            span={span}
          />
        ))}
      </div>
      {!all.value && list.length > FIRST && (
        <div class="row centre">
          <Button icon="down" onClick={() => (all.value = true)}>
            {list.length - FIRST} more charts
          </Button>
        </div>
      )}
    </>
  );
}
