/** The form of one widget. */
import { useSignal } from "@preact/signals";
import type { FieldError } from "../api/types";
import { Button } from "../components/Button";
import { Dialog } from "../components/Dialog";
import { MetricTree } from "../components/MetricTree";
import { looksLikeCounter } from "../scale/units";
import { settings } from "../state/server-settings";
import { AUTO } from "../time/range";
import { Widget } from "../widgets/Widget";
import { layoutOf, WIDGET_TYPES, type WidgetConfig, type WidgetSeries } from "../widgets/config";
import { SelectField, TextField } from "./Field";
import { pointerOf } from "./pointer";

interface Props {
  id: string;
  widget: WidgetConfig;
  defaultDb: string;
  errors: FieldError[];
  /** `key` joins the keystrokes of one field into one undo step. */
  onChange: (widget: WidgetConfig, key: string) => void;
}

const TYPE_NAMES: Record<string, string> = {
  number: "one number",
  numbers: "several numbers",
  line_chart: "line chart",
  aggregate_band: "average with band",
};
const PREVIEW = { w: 4, h: 2 };

function optional<T extends object>(object: T, key: keyof T, value: unknown): T {
  const next = { ...object, [key]: value };
  if (value === undefined || value === "") delete next[key];
  return next;
}

function number(text: string): number | undefined {
  return text.trim() === "" || Number.isNaN(Number(text)) ? undefined : Number(text);
}

export function WidgetForm({ id, widget, defaultDb, errors, onChange }: Props) {
  const picking = useSignal(false);
  const path = pointerOf("widgets", id);
  const series = widget.series ?? [];
  const chart = widget.type === "line_chart" || widget.type === "aggregate_band";
  const { w, h } = layoutOf(widget);
  const set = (key: keyof WidgetConfig, value: unknown) => onChange(optional(widget, key, value), `${path}/${String(key)}`);
  const setSeries = (index: number, next: WidgetSeries | null, key: string) =>
    onChange(
      { ...widget, series: series.flatMap((one, i) => (i !== index ? [one] : next ? [next] : [])) },
      `${path}/series/${index}/${key}`,
    );
  const sourceName = (one: WidgetSeries) => `${one.db ?? defaultDb}/${one.metric ?? ""}`;
  const toggle = (name: string) => {
    const found = series.findIndex((one) => sourceName(one) === name);
    if (found >= 0) return setSeries(found, null, "remove");
    const slash = name.indexOf("/");
    const [db, metric] = [name.slice(0, slash), name.slice(slash + 1)];
    const next: WidgetSeries = { label: metric, metric };
    if (db !== defaultDb) next.db = db;
    if (looksLikeCounter(metric)) next.rate = true;
    return onChange({ ...widget, series: [...series, next] }, `${path}/series/add`);
  };
  return (
    <div class="form">
      <TextField label="Title" path={`${path}/title`} errors={errors} value={widget.title} onChange={(v) => set("title", v)} />
      <SelectField
        label="Type"
        path={`${path}/type`}
        errors={errors}
        value={widget.type}
        options={WIDGET_TYPES.map((type) => [type, TYPE_NAMES[type]])}
        onChange={(v) => set("type", v)}
      />
      <div class="row fields">
        <SelectField label="Columns" path={`${path}/layout/w`} errors={errors} value={String(w)} options={["1", "2", "3", "4"].map((n) => [n, n])} onChange={(v) => set("layout", { ...widget.layout, w: Number(v) })} />
        <SelectField label="Rows" path={`${path}/layout/h`} errors={errors} value={String(h)} options={["1", "2", "3", "4"].map((n) => [n, n])} onChange={(v) => set("layout", { ...widget.layout, h: Number(v) })} />
      </div>
      {chart && (
        <div class="row fields">
          <TextField label="Lookback" placeholder="1h" path={`${path}/lookback`} errors={errors} value={widget.lookback} onChange={(v) => set("lookback", v)} />
          <TextField label="Interval" placeholder="by width" path={`${path}/interval`} errors={errors} value={widget.interval} onChange={(v) => set("interval", v)} />
        </div>
      )}
      <h3>Metrics</h3>
      {series.map((one, i) => (
        <SeriesFields key={i} index={i} series={one} chart={chart} path={pointerOf("widgets", id, "series", i)} errors={errors} onChange={(next, key) => setSeries(i, next, key)} />
      ))}
      <TextErrors errors={errors} path={`${path}/series`} />
      <Button icon="plus" onClick={() => (picking.value = true)}>
        Choose metrics
      </Button>
      {picking.value && (
        <Dialog title="Choose metrics" wide onClose={() => (picking.value = false)}>
          <div class="picker">
            <MetricTree chosen={new Set(series.map(sourceName))} onToggle={toggle} internal={false} />
            {series.length > 0 ? (
              <div class="grid">
                <Widget id={`${id}-preview`} widget={{ ...widget, title: "Preview", layout: PREVIEW }} defaultDb={defaultDb} range={AUTO} />
              </div>
            ) : (
              <p class="message">What you choose is shown here.</p>
            )}
          </div>
        </Dialog>
      )}
    </div>
  );
}

function TextErrors({ errors, path }: { errors: FieldError[]; path: string }) {
  const own = errors.filter((error) => error.path === path);
  return own.length > 0 ? <p class="field-error">{own.map(({ message }) => message).join("; ")}</p> : null;
}

interface SeriesProps {
  index: number;
  series: WidgetSeries;
  chart: boolean;
  path: string;
  errors: FieldError[];
  onChange: (series: WidgetSeries | null, key: string) => void;
}

function SeriesFields({ index, series, chart, path, errors, onChange }: SeriesProps) {
  const set = (key: keyof WidgetSeries, value: unknown) => onChange(optional(series, key, value), String(key));
  const setTransform = (key: string, value: unknown) =>
    set("transform", optional({ ...series.transform } as Record<string, unknown>, key, value));
  const thresholds = series.thresholds;
  const setThreshold = (key: string, value: unknown) =>
    set("thresholds", optional({ direction: "above", ...thresholds } as Record<string, unknown>, key, value));
  return (
    <fieldset>
      <legend class="row">
        <span>
          {index + 1}. {series.label ?? series.metric ?? "no metric"}
        </span>
        <Button icon="trash" label={`Remove ${series.label ?? series.metric ?? "this metric"}`} onClick={() => onChange(null, "remove")} />
      </legend>
      <div class="row fields">
        <TextField label="Metric" path={`${path}/metric`} errors={errors} value={series.metric} onChange={(v) => set("metric", v)} />
        <TextField label="Label" path={`${path}/label`} errors={errors} value={series.label} onChange={(v) => set("label", v)} />
      </div>
      <details>
        <summary>Database, unit, thresholds</summary>
        <div class="row fields">
          <TextField label="Database" placeholder="default" path={`${path}/db`} errors={errors} value={series.db} onChange={(v) => set("db", v)} />
          {chart && (
            <SelectField label="Value" path={`${path}/aggregate`} errors={errors} value={series.aggregate ?? ""} options={[["", "average and band"], ...settings.aggregates.map(({ name }): [string, string] => [name, name])]} onChange={(v) => set("aggregate", v)} />
          )}
        </div>
        <label class="check">
          <input type="checkbox" checked={series.rate === true} onChange={(event) => set("rate", event.currentTarget.checked || undefined)} />
          Rate per second (of a counter)
        </label>
        <div class="row fields">
          <TextField type="number" label="Factor" path={`${path}/transform/factor`} errors={errors} value={series.transform?.factor} onChange={(v) => setTransform("factor", number(v))} />
          <TextField label="Unit" path={`${path}/transform/unit`} errors={errors} value={series.transform?.unit} onChange={(v) => setTransform("unit", v)} />
          <TextField type="number" label="Decimals" path={`${path}/transform/decimals`} errors={errors} value={series.transform?.decimals} onChange={(v) => setTransform("decimals", number(v))} />
        </div>
        <div class="row fields">
          <SelectField label="Alarm" path={`${path}/thresholds/direction`} errors={errors} value={thresholds?.direction ?? ""} options={[["", "none"], ["above", "above"], ["below", "below"]]} onChange={(v) => (v === "" ? set("thresholds", undefined) : setThreshold("direction", v))} />
          {thresholds && (
            <>
              <TextField type="number" label="Warning" path={`${path}/thresholds/warning`} errors={errors} value={thresholds.warning} onChange={(v) => setThreshold("warning", number(v))} />
              <TextField type="number" label="Critical" path={`${path}/thresholds/critical`} errors={errors} value={thresholds.critical} onChange={(v) => setThreshold("critical", number(v))} />
            </>
          )}
        </div>
      </details>
    </fieldset>
  );
}
