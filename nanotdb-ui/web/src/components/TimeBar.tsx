/** The one time bar of a page: presets, a range of one's own, zoom, back, live. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { serverNow } from "../state/clock";
import { clockStyle } from "../state/prefs";
import { stepped } from "../state/router";
import { lookback, panBy, range, rangeBefore, setRange, zoomBy } from "../state/time-range";
import { formatDuration, spaced } from "../time/duration";
import { formatDateTime, fromInput, toInput } from "../time/format";
import { AUTO, bounds, PRESETS } from "../time/range";
import { Button } from "./Button";
import { Dialog } from "./Dialog";

/** `lookbackMs`: what is shown while the range is `auto`; `auto` names that choice, where panels have lookbacks of their own. */
export function TimeBar({ lookbackMs, auto }: { lookbackMs: number; auto?: string }) {
  const asking = useSignal(false);
  useEffect(() => {
    lookback.value = lookbackMs;
  }, [lookbackMs]);
  const current = range.value;
  const chosen = current.kind === "last" ? String(current.ms) : current.kind === "auto" ? "auto" : "fixed";
  const known = PRESETS.some(({ ms }) => String(ms) === chosen);
  const choose = (value: string) => {
    if (value === "custom") asking.value = true;
    else setRange(value === "auto" ? AUTO : { kind: "last", ms: Number(value) });
  };
  return (
    <div class="timebar row" role="group" aria-label="Time">
      <Button icon="back" label="Earlier" onClick={() => panBy(-0.5)} />
      <select
        aria-label="Time range"
        value={chosen}
        onChange={(event) => {
          const select = event.currentTarget;
          choose(select.value);
          select.value = chosen;
        }}
      >
        <option value="auto">{auto ?? `Last ${spaced(formatDuration(lookbackMs))}`}</option>
        {PRESETS.map(({ label, ms }) => (
          <option key={ms} value={String(ms)}>
            Last {label}
          </option>
        ))}
        {current.kind === "last" && !known && <option value={chosen}>Last {spaced(formatDuration(current.ms))}</option>}
        {current.kind === "fixed" && <option value="fixed">{fixedLabel(current.from, current.to)}</option>}
        <option value="custom">From … to …</option>
      </select>
      <Button icon="forward" label="Later" disabled={current.kind !== "fixed"} onClick={() => panBy(0.5)} />
      <Button icon="zoomOut" label="Zoom out" onClick={() => zoomBy(2)} />
      <Button icon="zoomIn" label="Zoom in" onClick={() => zoomBy(0.5)} />
      {current.kind === "fixed" && (
        <>
          <Button icon="undo" label="Back to the range before" disabled={!stepped.value} onClick={rangeBefore} />
          <Button icon="live" onClick={() => setRange(AUTO)}>
            Live
          </Button>
        </>
      )}
      {asking.value && <RangeDialog lookbackMs={lookbackMs} onClose={() => (asking.value = false)} />}
    </div>
  );
}

function fixedLabel(from: number, to: number): string {
  const style = clockStyle.value;
  const precision = to - from < 120_000 ? "second" : "minute";
  return `${formatDateTime(from, style, precision)} – ${formatDateTime(to, style, precision)}`;
}

function RangeDialog({ lookbackMs, onClose }: { lookbackMs: number; onClose: () => void }) {
  const zone = clockStyle.value.zone;
  const [start, end] = bounds(range.value, serverNow(), lookbackMs);
  const from = useSignal(toInput(start, zone));
  const to = useSignal(toInput(end, zone));
  const problem = useSignal("");
  const apply = (event: Event) => {
    event.preventDefault();
    const a = fromInput(from.value, zone);
    const b = fromInput(to.value, zone);
    if (a === null || b === null) problem.value = "Both times must be filled in.";
    else if (b <= a) problem.value = "The end must be after the start.";
    else {
      setRange({ kind: "fixed", from: a, to: b });
      onClose();
    }
  };
  return (
    <Dialog title="Time range" onClose={onClose}>
      <form class="form" onSubmit={apply}>
        <label>
          From ({zone})
          <input type="datetime-local" step="1" value={from.value} onInput={(e) => (from.value = e.currentTarget.value)} />
        </label>
        <label>
          To
          <input type="datetime-local" step="1" value={to.value} onInput={(e) => (to.value = e.currentTarget.value)} />
        </label>
        {problem.value && (
          <p class="bad" role="alert">
            {problem.value}
          </p>
        )}
        <Button kind="primary" type="submit">
          Show
        </Button>
      </form>
    </Dialog>
  );
}
