import { levelOf } from "../charts/model";
import { statusOf } from "../charts/ChartPanel";
import { Age } from "../components/Age";
import { Badge } from "../components/Badge";
import { NOTHING_CHOSEN, Panel, type PanelStatus } from "../components/Panel";
import { now } from "../state/clock";
import type { SeriesState } from "../state/feed";
import { unitStyle } from "../state/prefs";
import { useSeries } from "../state/use-series";
import { formatShown, shown } from "../scale/units";
import { staleAfter } from "../series/stale";
import { numberQuery, seriesDisplay, sourceOf, thresholdsOf } from "./config";
import type { WidgetProps } from "./Widget";

function status(states: SeriesState[]): PanelStatus {
  return { ...statusOf(states), empty: states.every(({ series }) => !series?.last) };
}

/** The last values, with their age when they are old and a word when they pass a threshold. */
export function NumbersWidget({ id, widget, defaultDb, actions, class: extra }: WidgetProps & { class?: string }) {
  const list = (widget.series ?? []).flatMap((series) => {
    const source = sourceOf(series, defaultDb);
    return source ? [{ series, source }] : [];
  });
  const queries = list.map(({ series, source }) => numberQuery(widget, series, source));
  const states = useSeries(() => queries, JSON.stringify(queries)).map((state) => state.value);
  return (
    <Panel id={id} title={widget.title ?? id} status={list.length === 0 ? NOTHING_CHOSEN : status(states)} actions={actions} class={`numbers-panel ${extra ?? ""}`}>
      <ul class={widget.type === "number" ? "numbers single" : "numbers"}>
        {list.map(({ series, source }, i) => {
          const state = states[i];
          const last = state?.series?.last ?? null;
          const display = seriesDisplay(widget, series, unitStyle.value);
          const computed = series.rate || series.aggregate;
          const stored = computed ? (state?.series?.v.findLast((v) => v !== null) ?? null) : (last?.v ?? null);
          const value = stored === null ? null : shown(stored, display);
          const level = levelOf(value, thresholdsOf(widget, series, unitStyle.value));
          const old = last !== null && now.value - last.t > staleAfter(state?.series?.intervalMs ?? null);
          return (
            <li key={i} class={`${level}${old ? " old" : ""}`}>
              <span class="label">{series.label ?? source.metric}</span>
              <strong>{formatShown(value, display, unitStyle.value)}</strong>
              {level !== "ok" && <Badge kind={level}>{level}</Badge>}
              <Age t={last?.t} intervalMs={state?.series?.intervalMs ?? null} />
              {state?.error && <span class="bad">{state.error}</span>}
              {state && !state.error && !state.loading && !last && <span class="quiet">no samples yet</span>}
            </li>
          );
        })}
      </ul>
    </Panel>
  );
}
