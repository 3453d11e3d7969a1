/** Where the marks of a time axis stand: on round local times, months and years included. */
import { type ClockStyle, formatClock, formatDay, formatMonth } from "./format";
import { offsetAt, toInstant } from "./zone";

const S = 1000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;
const STEPS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, S, 2 * S, 5 * S, 10 * S, 15 * S, 30 * S, M, 2 * M, 5 * M, 10 * M, 15 * M, 30 * M,
  H, 2 * H, 3 * H, 6 * H, 12 * H, D, 2 * D, 7 * D,
];
const MONTH_STEPS = [1, 3, 6, 12, 24, 60, 120];

export interface TimeTick {
  ms: number;
  label: string;
}

function monthTicks(from: number, to: number, most: number, style: ClockStyle): TimeTick[] {
  const months = (to - from) / (30.4 * D);
  const step = MONTH_STEPS.find((s) => months / s <= most) ?? 240;
  const first = new Date(from + offsetAt(from, style.zone));
  let month = first.getUTCFullYear() * 12 + first.getUTCMonth();
  month = Math.ceil(month / step) * step;
  const ticks: TimeTick[] = [];
  for (;;) {
    const ms = toInstant(Date.UTC(Math.floor(month / 12), month % 12, 1), style.zone);
    if (ms > to) return ticks;
    if (ms >= from) ticks.push({ ms, label: formatMonth(ms, style) });
    month += step;
  }
}

/** At most about `most` ticks in [from, to]; a tick at local midnight shows the day. */
export function timeTicks(from: number, to: number, most: number, style: ClockStyle): TimeTick[] {
  if (!(to > from) || most < 1) return [];
  const step = STEPS.find((s) => (to - from) / s <= most);
  if (step === undefined) return monthTicks(from, to, most, style);
  const precision = step < S ? "ms" : step < M ? "second" : "minute";
  const ticks: TimeTick[] = [];
  // Steps are walked in local time, so that 6 h ticks stay on 0, 6, 12 and 18 across a change of the clocks.
  const begin = Math.floor((from + offsetAt(from, style.zone)) / step) * step;
  for (let at = begin; ; at += step) {
    const ms = toInstant(at, style.zone);
    if (ms > to) return ticks;
    if (ms < from || ms === ticks.at(-1)?.ms) continue;
    ticks.push({ ms, label: at % D === 0 ? formatDay(ms, style) : formatClock(ms, style, precision) });
  }
}
