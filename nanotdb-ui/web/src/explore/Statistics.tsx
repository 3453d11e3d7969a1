import { useRef } from "preact/hooks";
import type { LineSpec } from "../charts/ChartPanel";
import { useMeasuredSeries } from "../charts/use-measured-series";
import { Button } from "../components/Button";
import { unitStyle } from "../state/prefs";
import { formatShown, shown } from "../scale/units";
import { grouped } from "../scale/number";
import { digitsOf, endsOf, statsOf } from "../series/stats";
import { type Choice, writeChoices } from "./choices";

/** The numbers of what is seen. Asks for the same series as the chart, so that nothing is got twice. */
export function Statistics({ specs, choices, span }: { specs: LineSpec[]; choices: Choice[]; span: { ms: number } | { from: number; to: number } }) {
  const ref = useRef<HTMLDivElement>(null);
  const states = useMeasuredSeries(ref, specs, span).map((state) => state.value);
  const style = unitStyle.value;
  const exact = digitsOf(specs.map(({ display }, i) => ({ series: states[i]?.series ?? null, display })));
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
              // The samples themselves, and not averages of buckets. Those of a rate depend on where it is cut.
              const ends = state?.series && !spec.rate ? endsOf(state.series, from, to) : null;
              if (stats && ends) stats.last = ends.last;
              const { digits, places } = exact[i];
              const text = (value: number | null | undefined) =>
                value === null || value === undefined ? "–" : formatShown(shown(value, spec.display), spec.display, style, digits, places);
              const change = ends && (ends.last - ends.first) * spec.display.factor;
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
                  <td class="number" data-label="Change">{change === null ? "–" : formatShown(change, spec.display, style, digits, places)}</td>
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
