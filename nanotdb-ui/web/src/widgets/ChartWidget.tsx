import { ChartPanel, type LineSpec } from "../charts/ChartPanel";
import { unitStyle } from "../state/prefs";
import { seriesDisplay, sourceOf, thresholdsOf, windowOf, type WidgetConfig } from "./config";
import { spanOf, type WidgetProps } from "./Widget";

/** line_chart: lines; aggregate_band: the average with the band between min and max. */
export function specsOf(widget: WidgetConfig, defaultDb: string): LineSpec[] {
  return (widget.series ?? []).flatMap((series) => {
    const source = sourceOf(series, defaultDb);
    if (!source) return [];
    return [
      {
        ...source,
        label: series.label ?? source.metric,
        rate: series.rate ?? false,
        aggregate: widget.type === "aggregate_band" ? undefined : series.aggregate,
        windowMs: windowOf(widget, series),
        display: seriesDisplay(widget, series, unitStyle.value),
        thresholds: thresholdsOf(widget, series, unitStyle.value),
        color: typeof series.color === "string" ? series.color : undefined,
      },
    ];
  });
}

/** What the document has and this version does not show. */
function notShown(widget: WidgetConfig): string | undefined {
  const series = widget.series ?? [];
  const parts = [
    widget.event_overlays?.length ? "event overlays" : "",
    series.some((one) => one.event_name_pattern) ? "series of events" : "",
    series.some((one) => one.measurement && !one.metric && !one.query) ? "series of measurement and field" : "",
  ].filter((part) => part !== "");
  return parts.length > 0 ? `Its ${parts.join(", ")} are kept, and not available in this version.` : undefined;
}

export function ChartWidget({ id, widget, defaultDb, range, actions, class: extra }: WidgetProps & { class?: string }) {
  return (
    <ChartPanel
      id={id}
      title={widget.title ?? id}
      specs={specsOf(widget, defaultDb)}
      span={spanOf(range, widget)}
      class={extra}
      actions={actions}
      note={notShown(widget)}
    />
  );
}
