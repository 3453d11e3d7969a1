/** Any metrics in one chart: everything it shows is in the address. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { ChartPanel, type LineSpec } from "../charts/ChartPanel";
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
import { displayOf, looksLikeCounter } from "../scale/units";
import { formatDuration, parseDuration, spaced } from "../time/duration";
import { misread, readChoices, writeChoices } from "../explore/choices";
import { Compare } from "../explore/Compare";
import { Statistics } from "../explore/Statistics";

const EXPLORE_MS = 3_600_000;

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
        // A rate has no first sample.
        ends: !rate,
        display: displayOf(metric, rate, unitStyle.value),
      })),
    [query.value, unitStyle.value],
  );
  const back = parseDuration(query.value.get("compare") ?? "") ?? 0;
  const compared = useMemo<LineSpec[]>(
    () => (back === 0 ? specs : [...specs, ...specs.map((spec, like) => ({ ...spec, label: `${spec.label} ${spaced(formatDuration(back))} earlier`, bare: true, ends: false, earlier: { back, like } }))]),
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
          <h1 class="told">Explore</h1>
          <span class="narrow">
            <Button icon="search" onClick={() => (picking.value = true)}>
              Metrics
            </Button>
          </span>
          <TimeBar lookbackMs={EXPLORE_MS} />
          <Compare back={back} />
          {!settings.read_only && (
            <Button icon="plus" label="Add to dashboard" disabled={choices.length === 0} onClick={() => (adding.value = true)}>
              <span>Add to dashboard</span>
            </Button>
          )}
        </div>
        {misread(query.value).map((text) => (
          <p key={text} class="bad" role="alert">
            The address is not understood: {text}.
          </p>
        ))}
        {choices.length === 0 ? (
          <div class="panel message">
            <Icon name="chart" />
            <p>Choose metrics in the list. The address then holds the whole view, to be sent or kept.</p>
          </div>
        ) : (
          <>
            <ChartPanel id="explore" title={specs.map(({ label }) => label).join(", ")} specs={compared} span={span} class="tall" explore={false} />
            <Statistics specs={specs} choices={choices} span={span} />
          </>
        )}
      </div>
      {adding.value && <AddToDashboard specs={specs} onClose={() => (adding.value = false)} />}
    </div>
  );
}
