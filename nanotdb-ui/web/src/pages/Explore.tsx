/** Any metrics in one chart: everything it shows is in the address. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { ChartPanel, type LineSpec, useMeasuredSeries } from "../charts/ChartPanel";
import { AddToDashboard } from "../components/AddToDashboard";
import { Button } from "../components/Button";
import { Icon } from "../components/Icon";
import { MetricTree } from "../components/MetricTree";
import { TimeBar } from "../components/TimeBar";
import { catalog, catalogError, needCatalog } from "../state/catalog";
import { openStream } from "../state/feed";
import { unitStyle } from "../state/prefs";
import { query, setQuery } from "../state/router";
import { settings } from "../state/server-settings";
import { range } from "../state/time-range";
import { displayOf, formatShown, looksLikeCounter, shown } from "../scale/units";
import { grouped } from "../scale/number";
import { formatDuration, parseDuration, spaced } from "../time/duration";
import { statsOf } from "../series/stats";

const EXPLORE_MS = 3_600_000;
const RATE = "rate:";

interface Choice {
  name: string;
  db: string;
  metric: string;
  rate: boolean;
}

/** `m=db/metric` or `m=rate:db/metric`, once per line. */
export function readChoices(params: URLSearchParams): Choice[] {
  return params.getAll("m").flatMap((text) => {
    const rate = text.startsWith(RATE);
    const name = rate ? text.slice(RATE.length) : text;
    const slash = name.indexOf("/");
    return slash > 0 ? [{ name, db: name.slice(0, slash), metric: name.slice(slash + 1), rate }] : [];
  });
}

function writeChoices(choices: Choice[]): void {
  setQuery((params) => {
    params.delete("m");
    for (const { name, rate } of choices) params.append("m", (rate ? RATE : "") + name);
  });
}

export default function Explore() {
  const adding = useSignal(false);
  const picking = useSignal(false);
  useEffect(() => {
    void needCatalog().then(() => setTimeout(openStream, 500));
  }, []);
  const choices = readChoices(query.value);
  const internal = query.value.get("internal") === "1";
  const chosen = new Set(choices.map(({ name }) => name));
  const toggle = (name: string) => {
    const slash = name.indexOf("/");
    const metric = name.slice(slash + 1);
    writeChoices(
      chosen.has(name)
        ? choices.filter((choice) => choice.name !== name)
        : [...choices, { name, db: name.slice(0, slash), metric, rate: looksLikeCounter(metric) }],
    );
  };
  const current = range.value;
  const span = current.kind === "fixed" ? { from: current.from, to: current.to } : { ms: current.kind === "last" ? current.ms : EXPLORE_MS };
  const specs = useMemo<LineSpec[]>(
    () =>
      choices.map(({ name, db, metric, rate }) => ({
        db,
        metric,
        label: rate ? `${name} (rate)` : name,
        rate,
        display: displayOf(metric, rate, unitStyle.value),
      })),
    [query.value, unitStyle.value],
  );
  const back = parseDuration(query.value.get("compare") ?? "") ?? 0;
  const compared = useMemo<LineSpec[]>(
    () => (back === 0 ? specs : [...specs, ...specs.map((spec, like) => ({ ...spec, label: `${spec.label} ${spaced(formatDuration(back))} earlier`, bare: true, earlier: { back, like } }))]),
    [specs, back],
  );
  return (
    <div class="explore">
      <aside class={picking.value ? "panel open" : "panel"} aria-label="Metrics">
        <div class="row spread">
          <label class="check">
            <input
              type="checkbox"
              checked={internal}
              onChange={(event) => {
                const on = event.currentTarget.checked;
                setQuery((params) => (on ? params.set("internal", "1") : params.delete("internal")), { replace: true });
              }}
            />
            Metrics of the server itself
          </label>
          <span class="narrow">
            <Button icon="close" label="Close the list" onClick={() => (picking.value = false)} />
          </span>
        </div>
        {catalogError.value && !catalog.value ? (
          <p class="bad" role="alert">
            {catalogError.value}
          </p>
        ) : (
          <MetricTree chosen={chosen} onToggle={toggle} internal={internal} />
        )}
      </aside>
      <div class="explore-main">
        <div class="bar row">
          <h1>Explore</h1>
          <span class="narrow">
            <Button icon="search" onClick={() => (picking.value = true)}>
              Metrics
            </Button>
          </span>
          <TimeBar lookbackMs={EXPLORE_MS} />
          <Compare back={back} />
          {!settings.read_only && (
            <Button icon="plus" disabled={choices.length === 0} onClick={() => (adding.value = true)}>
              Add to dashboard
            </Button>
          )}
        </div>
        {choices.length === 0 ? (
          <div class="panel message">
            <Icon name="chart" />
            <p>Choose metrics in the list. The address then holds the whole view, to be sent or kept.</p>
          </div>
        ) : (
          <>
            <ChartPanel id="explore" title={specs.map(({ label }) => label).join(", ")} specs={compared} span={span} class="tall" />
            <Statistics specs={specs} choices={choices} span={span} />
          </>
        )}
      </div>
      {adding.value && <AddToDashboard specs={specs} onClose={() => (adding.value = false)} />}
    </div>
  );
}

/** Which earlier time stands beside the present one. */
function Compare({ back }: { back: number }) {
  const choices = ["1h", "1d", "7d", "30d"];
  const current = back === 0 ? "" : formatDuration(back);
  return (
    <select
      aria-label="Compare with an earlier time"
      value={current}
      onChange={(event) => {
        const chosen = event.currentTarget.value;
        setQuery((params) => (chosen ? params.set("compare", chosen) : params.delete("compare")));
      }}
    >
      <option value="">Compare …</option>
      {[...choices, ...(current && !choices.includes(current) ? [current] : [])].map((one) => (
        <option key={one} value={one}>
          with {spaced(one)} earlier
        </option>
      ))}
    </select>
  );
}

/** The numbers of what is seen. Asks for the same series as the chart, so that nothing is got twice. */
function Statistics({ specs, choices, span }: { specs: LineSpec[]; choices: Choice[]; span: { ms: number } | { from: number; to: number } }) {
  const ref = useRef<HTMLDivElement>(null);
  const states = useMeasuredSeries(ref, specs, span).map((state) => state.value);
  const style = unitStyle.value;
  const set = (index: number, change: Partial<Choice> | null) =>
    writeChoices(choices.flatMap((choice, i) => (i !== index ? [choice] : change ? [{ ...choice, ...change }] : [])));
  return (
    <section class="panel" aria-label="Statistics">
      <div class="measure" ref={ref} />
      <div class="wide-table" tabIndex={0} role="region" aria-label="Statistics table">
        <table class="cards">
          <thead>
            <tr>
              <th scope="col">Metric</th>
              {["Last", "Min", "Avg", "Max", "Change", "Samples"].map((name) => (
                <th scope="col" class="number" key={name}>
                  {name}
                </th>
              ))}
              <th scope="col">Rate</th>
              <th scope="col">
                <span class="unseen">Remove</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {specs.map((spec, i) => {
              const state = states[i];
              const [from, to] = "ms" in span ? [(state?.to ?? 0) - span.ms, Infinity] : [span.from, span.to];
              const stats = state?.series ? statsOf(state.series, from, to) : null;
              // The newest sample itself, where it is in the range, and not the average of its bucket.
              const newest = state?.series?.last;
              if (stats && !spec.rate && newest && newest.t >= from && newest.t <= to) stats.last = newest.v;
              const text = (value: number | null | undefined) =>
                value === null || value === undefined ? "–" : formatShown(shown(value, spec.display), spec.display, style);
              const change = stats && stats.last !== null && stats.first !== null ? (stats.last - stats.first) * spec.display.factor : null;
              return (
                <tr key={`${spec.label}${i}`}>
                  <th scope="row">
                    <svg width="12" height="12" aria-hidden="true">
                      <rect width="12" height="12" rx="3" style={{ fill: `var(--s${i % 8})` }} />
                    </svg>{" "}
                    {choices[i].name}
                    {state?.error && <p class="field-error">{state.error}</p>}
                  </th>
                  <td class="number" data-label="Last">{text(stats?.last)}</td>
                  <td class="number" data-label="Min">{text(stats?.min)}</td>
                  <td class="number" data-label="Avg">{text(stats?.avg)}</td>
                  <td class="number" data-label="Max">{text(stats?.max)}</td>
                  <td class="number" data-label="Change">{change === null ? "–" : formatShown(change, spec.display, style)}</td>
                  <td class="number" data-label="Samples">{stats ? grouped(stats.count) : "–"}</td>
                  <td data-label="Rate">
                    <label class="check">
                      <input type="checkbox" checked={choices[i].rate} onChange={(event) => set(i, { rate: event.currentTarget.checked })} />
                      <span class="unseen">Rate of {choices[i].name}</span>
                    </label>
                  </td>
                  <td>
                    <Button icon="trash" label={`Remove ${choices[i].name}`} onClick={() => set(i, null)} />
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}
