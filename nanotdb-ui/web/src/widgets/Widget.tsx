/** A widget of a dashboard, by its type. */
import type { MenuItem } from "../components/Menu";
import { Panel } from "../components/Panel";
import { Icon } from "../components/Icon";
import { type Range } from "../time/range";
import { EVENT_TYPES, layoutOf, lookbackOf, type WidgetConfig } from "./config";
import { ChartWidget } from "./ChartWidget";
import { NumbersWidget } from "./NumbersWidget";

export interface WidgetProps {
  id: string;
  widget: WidgetConfig;
  defaultDb: string;
  range: Range;
  actions?: MenuItem[];
}

export function spanOf(range: Range, widget: WidgetConfig): { ms: number } | { from: number; to: number } {
  if (range.kind === "fixed") return { from: range.from, to: range.to };
  return { ms: range.kind === "last" ? range.ms : lookbackOf(widget) };
}

const QUIET = { loading: false, error: null, empty: false, warning: null };

export function Widget(props: WidgetProps) {
  const { id, widget } = props;
  const { w, h } = layoutOf(widget);
  const place = { class: `w${w} h${h}` };
  switch (widget.type) {
    case "number":
    case "numbers":
      return <NumbersWidget {...props} {...place} />;
    case "line_chart":
    case "aggregate_band":
      return <ChartWidget {...props} {...place} />;
    default:
      return (
        <Panel id={id} title={widget.title ?? id} status={QUIET} actions={props.actions} {...place}>
          <div class="message">
            <Icon name="clock" />
            <p>
              {EVENT_TYPES.includes(widget.type)
                ? "Events are not available in this version. The widget is kept as it is."
                : `There is no widget of the type “${widget.type}” in this version. It is kept as it is.`}
            </p>
          </div>
        </Panel>
      );
  }
}
