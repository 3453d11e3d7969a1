/** A panel with a chart: asks for the series it shows at the width it has. */
import { type Signal, useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { Age } from "../components/Age";
import { DataTable } from "../components/DataTable";
import type { MenuItem } from "../components/Menu";
import { Panel, type PanelStatus } from "../components/Panel";
import type { SeriesQuery, SeriesState } from "../state/feed";
import { settings } from "../state/server-settings";
import { navigate } from "../state/router";
import { useSeries } from "../state/use-series";
import { writeRange } from "../time/range";
import type { Display } from "../scale/units";
import { Chart, type ChartHandle } from "./Chart";
import { saveCsv, savePng, tableOfLines } from "./export";
import type { Line, Thresholds } from "./model";

export interface LineSpec {
  db: string;
  metric: string;
  label: string;
  display: Display;
  rate?: boolean;
  /** avg, min and max are columns of every bucket; other names are asked for by name. */
  aggregate?: string;
  windowMs?: number;
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
  /** A line of text under the chart. */
  note?: string;
}

const COLUMNS = ["avg", "min", "max"];

/** Columns to ask for: one per pixel, in steps, so that a small change of the width asks for nothing. */
export function bucketsFor(width: number): number {
  return Math.min(2000, Math.max(400, Math.ceil(width / 200) * 200));
}

function queriesOf(specs: LineSpec[], span: Props["span"], most: number): SeriesQuery[] {
  const length = "ms" in span ? span.ms : span.to - span.from;
  return specs.map(({ db, metric, rate, aggregate, windowMs, earlier }) => {
    const folded = !aggregate || COLUMNS.includes(aggregate);
    const buckets = folded && windowMs ? Math.max(1, Math.min(most, Math.ceil(length / windowMs))) : most;
    return { db, metric, rate, ...(folded ? {} : { aggregate, windowMs }), span: { ...span, buckets, ...(earlier ? { back: earlier.back } : {}) } };
  });
}

/** The series of `specs` in as many buckets as `ref` is wide; asked for anew when it becomes wider or narrower. */
export function useMeasuredSeries(ref: RefObject<HTMLElement | null>, specs: LineSpec[], span: Props["span"]): Signal<SeriesState>[] {
  // How often the number of buckets changed: the first measure happens before anything is asked for, and needs no drawing anew.
  const changes = useSignal(0);
  const most = useRef(0);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const measure = () => {
      if (element.clientWidth === 0) return;
      const before = most.current;
      most.current = bucketsFor(element.clientWidth);
      if (before !== 0 && before !== most.current) changes.value += 1;
    };
    measure();
    const sized = new ResizeObserver(measure);
    sized.observe(element);
    return () => sized.disconnect();
  }, []);
  return useSeries(() => (most.current > 0 ? queriesOf(specs, span, most.current) : null), JSON.stringify([specs, span, changes.value]));
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

export function ChartPanel({ id, title, specs, span, style, class: extra, actions = [], note }: Props) {
  const table = useSignal(false);
  const ref = useRef<HTMLDivElement>(null);
  const handle = useRef<ChartHandle | null>(null);
  const states = useMeasuredSeries(ref, specs, span).map((state) => state.value);
  const lines = useMemo<Line[]>(
    () =>
      specs.map((spec, i) => ({
        id: `${spec.db}/${spec.metric}/${spec.aggregate ?? ""}/${spec.earlier?.back ?? 0}/${i}`,
        label: spec.label,
        series: states[i]?.series ?? null,
        display: spec.display,
        thresholds: spec.thresholds,
        column: COLUMNS.includes(spec.aggregate ?? "") ? (spec.aggregate as Line["column"]) : undefined,
        bare: spec.bare,
        color: spec.color,
        like: spec.earlier?.like,
      })),
    // A state is a new object whenever its series changed.
    [JSON.stringify(specs), ...states.slice(0, 24), states.length],
  );
  const view = () => handle.current?.view() ?? [0, 0];
  const items: MenuItem[] = [
    { icon: "table", label: table.value ? "View as chart" : "View as table", act: () => (table.value = !table.value) },
    { icon: "download", label: "Save CSV", act: () => saveCsv(title, lines, view()) },
    {
      icon: "image",
      label: "Save PNG",
      act: () => {
        const canvas = handle.current?.canvas();
        if (canvas && handle.current) savePng(title, canvas, lines, handle.current.palette());
      },
    },
    { icon: "chart", label: "Open in Explore", act: () => navigate(exploreLink(specs, span)) },
    ...actions,
  ];
  const newest = states.reduce<SeriesState | null>((best, s) => ((s.series?.last?.t ?? 0) > (best?.series?.last?.t ?? 0) ? s : best), null);
  return (
    <Panel
      id={id}
      title={title}
      status={statusOf(states)}
      class={`chart-panel ${extra ?? ""}`}
      style={style}
      measure={ref}
      actions={items}
      badges={"ms" in span && <Age t={newest?.series?.last?.t} intervalMs={newest?.series?.intervalMs ?? null} />}
    >
      {table.value ? (
        <DataTable table={tableOfLines(lines, view())} label={title} />
      ) : (
        <Chart title={title} lines={lines} span={span} onHandle={(next) => (handle.current = next)} />
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
