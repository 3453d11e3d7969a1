/** The one time bar of a page: presets, a range of one's own, zoom, back, live. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { serverNow } from "../state/clock";
import { clockStyle } from "../state/prefs";
import { printing } from "../state/printing";
import { stepped } from "../state/router";
import { lookback, panBy, range, rangeBefore, rangeProblem, setRange, zoomBy } from "../state/time-range";
import { formatDuration, spaced } from "../time/duration";
import { formatDateTime, formatStretch, fromInput, toInput } from "../time/format";
import { AUTO, bounds, PRESETS } from "../time/range";
import { twin, zoneName } from "../time/zone";
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
  const problem = rangeProblem.value;
  return (
    <>
    <div class={current.kind === "fixed" ? "timebar row fixed" : "timebar row"} role="group" aria-label="Time">
      <Button icon="back" label="Earlier" onClick={() => panBy(-0.5)} />
      <select
        aria-label="Time range"
        title={current.kind === "fixed" ? fixedLabel(current.from, current.to) : undefined}
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
        {current.kind === "fixed" && <option value="fixed">{(narrow.matches ? shortLabel : fixedLabel)(current.from, current.to)}</option>}
        <option value="custom">From … to …</option>
      </select>
      <Button icon="forward" label="Later" disabled={current.kind !== "fixed"} onClick={() => panBy(0.5)} />
      <span class="row spare">
        <Button icon="zoomOut" label="Zoom out" onClick={() => zoomBy(2)} />
        <Button icon="zoomIn" label="Zoom in" onClick={() => zoomBy(0.5)} />
      </span>
      {current.kind === "fixed" && (
        <>
          <Button icon="undo" label="Back to the range before" disabled={!stepped.value} onClick={rangeBefore} />
          <Button icon="live" label="Live" onClick={() => setRange(AUTO)}>
            <span>Live</span>
          </Button>
        </>
      )}
      {asking.value && <RangeDialog lookbackMs={lookbackMs} onClose={() => (asking.value = false)} />}
    </div>
    {printing.value && (
      <p class="quiet whole">
        {current.kind === "auto" && auto ? "" : `${fixedLabel(...bounds(current, serverNow(), lookbackMs))}; `}printed {formatDateTime(serverNow(), clockStyle.value, "minute")} ({clockStyle.value.zone})
      </p>
    )}
    {problem !== null && (
      <p class="row notice bad whole" role="alert">
        <span>The address is not understood: {problem}. Shown is {auto ? "what each panel says" : `the last ${spaced(formatDuration(lookbackMs))}`}.</span>
        <Button icon="close" label="Take it out of the address" onClick={() => setRange(AUTO, { replace: true })} />
      </p>
    )}
    </>
  );
}

/** As in the style sheet. */
const narrow = matchMedia("(max-width: 480px)");

function shortLabel(from: number, to: number): string {
  return formatStretch(from, to, clockStyle.value, serverNow());
}

function fixedLabel(from: number, to: number): string {
  const style = clockStyle.value;
  const precision = to - from < 120_000 ? "second" : "minute";
  return `${formatDateTime(from, style, precision)} – ${formatDateTime(to, style, precision)}`;
}

interface Moment {
  text: string;
  /** Of an hour that comes twice, the second. */
  later: boolean;
}

function momentOf(ms: number, zone: string): Moment {
  const other = twin(ms, zone);
  return { text: toInput(ms, zone), later: other !== null && other < ms };
}

/** A date and time; where the clocks are put back, which of two. */
function MomentField({ label, zone, value, onChange }: { label: string; zone: string; value: Moment; onChange: (value: Moment) => void }) {
  const first = fromInput(value.text, zone);
  const second = first === null ? null : twin(first, zone);
  return (
    <>
      <label>
        {label}
        <input type="datetime-local" step="1" value={value.text} onInput={(event) => onChange({ ...value, text: event.currentTarget.value })} />
      </label>
      {first !== null && second !== null && (
        <label>
          {label}: this time comes twice
          <select value={value.later ? "later" : "first"} onChange={(event) => onChange({ ...value, later: event.currentTarget.value === "later" })}>
            <option value="first">the first ({zoneName(first, zone)})</option>
            <option value="later">the second ({zoneName(second, zone)})</option>
          </select>
        </label>
      )}
    </>
  );
}

function RangeDialog({ lookbackMs, onClose }: { lookbackMs: number; onClose: () => void }) {
  const zone = clockStyle.value.zone;
  const [start, end] = bounds(range.value, serverNow(), lookbackMs);
  const from = useSignal(momentOf(start, zone));
  const to = useSignal(momentOf(end, zone));
  const problem = useSignal("");
  const apply = (event: Event) => {
    event.preventDefault();
    const a = fromInput(from.value.text, zone, from.value.later);
    const b = fromInput(to.value.text, zone, to.value.later);
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
        <MomentField label={`From (${zone})`} zone={zone} value={from.value} onChange={(next) => (from.value = next)} />
        <MomentField label="To" zone={zone} value={to.value} onChange={(next) => (to.value = next)} />
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
