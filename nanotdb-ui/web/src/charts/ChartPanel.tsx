/** A panel with a chart: asks for the series it shows at the width it has. */
import { useSignal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import { Age } from "../components/Age";
import { Badge } from "../components/Badge";
import { DataTable } from "../components/DataTable";
import type { MenuItem } from "../components/Menu";
import { NOTHING_CHOSEN, Panel, type PanelStatus } from "../components/Panel";
import { now } from "../state/clock";
import type { SeriesState } from "../state/feed";
import { clockStyle, unitStyle } from "../state/prefs";
import { setRange } from "../state/time-range";
import { formatAge } from "../time/duration";
import { formatDateTime } from "../time/format";
import { settings } from "../state/server-settings";
import { navigate } from "../state/router";
import { writeRange } from "../time/range";
import type { Display } from "../scale/units";
import { digitsOf } from "../series/stats";
import { Chart, type ChartHandle, viewOf } from "./Chart";
import { saveCsv, savePng, tableOfLines } from "./export";
import type { Line, Thresholds } from "./model";
import { useMeasuredSeries } from "./use-measured-series";

export interface LineSpec {
  db: string;
  metric: string;
  label: string;
  display: Display;
  rate?: boolean;
  /** One aggregate instead of the average and the band between minimum and maximum. */
  aggregate?: string;
  /** Width of the windows; as many as there are pixels without. */
  windowMs?: number;
  /** With the first and the last sample of the stretch. */
  ends?: boolean;
  thresholds?: Thresholds;
  bare?: boolean;
  color?: string;
  /** So many milliseconds earlier, compared with the line at the place `like`. */
  earlier?: { back: number; like: number };
}

interface Props {
  id: string;
  title: string;
  specs: LineSpec[];
  span: { ms: number } | { from: number; to: number };
  class?: string;
  style?: Record<string, string>;
  actions?: MenuItem[];
  /** Whether the menu leads to Explore. */
  explore?: boolean;
  /** A line of text under the chart. */
  note?: string;
}

export function statusOf(states: SeriesState[]): PanelStatus {
  const errors = states.flatMap(({ error }) => (error === null ? [] : [error]));
  const warnings = states.flatMap(({ series }) => (series?.warning ? [series.warning] : []));
  const failed = states.length > 0 && errors.length === states.length;
  return {
    loading: states.length === 0 || states.some(({ loading }) => loading),
    error: failed ? [...new Set(errors)].slice(0, 3).join("\n") : null,
    empty: states.every(({ series }) => !series || !series.v.some((v) => v !== null)),
    warning: [...new Set([...warnings, ...(failed ? [] : errors)])].join("\n") || null,
  };
}

/** Clocks differ by this much. */
const AHEAD_MS = 60_000;

function newestOf(states: SeriesState[]): SeriesState | null {
  return states.reduce<SeriesState | null>((best, s) => ((s.series?.last?.t ?? 0) > (best?.series?.last?.t ?? 0) ? s : best), null);
}

/** An empty chart says when its newest sample was, and leads there. */
function withOffer(status: PanelStatus, newest: SeriesState | null, span: Props["span"]): PanelStatus {
  const last = newest?.series?.last?.t;
  if (!status.empty || status.loading || status.error !== null || last === undefined) return status;
  const [from, to] = viewOf(span);
  if (last >= from && last <= to) return status;
  const why = `No samples in this time. The newest is of ${formatDateTime(last, clockStyle.value)}.`;
  const length = to - from;
  return { ...status, why, offer: { label: "Show the newest", act: () => setRange({ kind: "fixed", from: last - length * 0.9, to: last + length * 0.1 }) } };
}

export function ChartPanel({ id, title, specs, span, style, class: extra, actions = [], explore = true, note }: Props) {
  const table = useSignal(false);
  const ref = useRef<HTMLDivElement>(null);
  const handle = useRef<ChartHandle | null>(null);
  const hidden = useSignal<Set<string>>(new Set());
  const states = useMeasuredSeries(ref, specs, span).map((state) => state.value);
  const lines = useMemo<Line[]>(() => {
    const exact = digitsOf(specs.map(({ display }, i) => ({ series: states[i]?.series ?? null, display })));
    return specs.map((spec, i) => ({
        id: `${spec.db}/${spec.metric}/${spec.aggregate ?? ""}/${spec.earlier?.back ?? 0}/${i}`,
        label: spec.label,
        series: states[i]?.series ?? null,
        display: spec.display,
        thresholds: spec.thresholds,
        bare: spec.bare,
        color: spec.color,
        rate: spec.rate,
        ...exact[i],
        like: spec.earlier?.like,
      }));
    },
    // A state is a new object whenever its series changed.
    [JSON.stringify(specs), ...states.slice(0, 24), states.length],
  );
  const inSight = lines.filter(({ id: line }) => !hidden.value.has(line));
  const picture: MenuItem = {
    icon: "image",
    label: "Save PNG",
    act: () => {
      const canvas = handle.current?.canvas();
      if (canvas && handle.current) savePng({ title, plot: canvas, lines, hidden: hidden.peek(), palette: handle.current.palette(), view: viewOf(span), clock: clockStyle.peek(), units: unitStyle.peek() });
    },
  };
  const items: MenuItem[] = [
    { icon: "table", label: table.value ? "View as chart" : "View as table", act: () => (table.value = !table.value) },
    { icon: "download", label: "Save CSV", act: () => saveCsv(title, inSight, viewOf(span)) },
    ...(table.value ? [] : [picture]),
    ...(explore ? [{ icon: "chart" as const, label: "Open in Explore", act: () => navigate(exploreLink(specs, span)) }] : []),
    ...actions,
  ];
  const newest = newestOf(states);
  const status = specs.length === 0 ? NOTHING_CHOSEN : withOffer(statusOf(states), newest, span);
  const ahead = (newest?.series?.last?.t ?? 0) - now.value;
  return (
    <Panel
      id={id}
      title={title}
      status={status}
      class={`chart-panel ${extra ?? ""}`}
      style={style}
      measure={ref}
      actions={items}
      badges={
        ahead > AHEAD_MS ? (
          <Badge kind="warning">newest is {formatAge(ahead)} in the future</Badge>
        ) : (
          "ms" in span && <Age t={newest?.series?.last?.t} intervalMs={newest?.series?.intervalMs ?? null} />
        )
      }
    >
      {table.value ? (
        <DataTable table={tableOfLines(inSight, viewOf(span))} label={title} />
      ) : (
        <Chart title={title} lines={lines} span={span} hidden={hidden} onHandle={(next) => (handle.current = next)} />
      )}
      {note && <p class="quiet note">{note}</p>}
    </Panel>
  );
}

export function exploreLink(specs: LineSpec[], span: Props["span"]): string {
  const params = new URLSearchParams();
  for (const { db, metric, rate } of specs) params.append("m", `${rate ? "rate:" : ""}${db}/${metric}`);
  writeRange(params, "ms" in span ? { kind: "last", ms: span.ms } : { kind: "fixed", ...span });
  return `${settings.explore_path}?${params}`;
}
