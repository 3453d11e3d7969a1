/** The numbers under a chart. */
import { digitsFor } from "../scale/number";
import { axisKey, type Display, shown } from "../scale/units";
import { type Series, within } from "./model";

export interface Stats {
  count: number;
  min: number | null;
  avg: number | null;
  max: number | null;
  first: number | null;
  last: number | null;
}

export interface Ends {
  first: number;
  last: number;
}

/**
 * First and newest sample of [from, to]: the samples themselves, and not what buckets have of them, so that they do not depend on how
 * wide the picture is. null where there are none, or they are not known.
 */
export function endsOf(series: Series, from = -Infinity, to = Infinity): Ends | null {
  let first = series.ends?.first.v ?? null;
  let last = series.ends?.last.v ?? null;
  if (series.stepMs === 0) {
    const inside = series.v.filter((v, i) => v !== null && within(series, i, from, to));
    first = inside[0] ?? null;
    last = inside[inside.length - 1] ?? null;
  }
  if (series.last && series.last.t >= from && series.last.t <= to) last = series.last.v;
  return first === null || last === null ? null : { first, last };
}

/** Of the rows in [from, to]; averages weigh buckets by their counts. */
export function statsOf(series: Series, from = -Infinity, to = Infinity): Stats {
  const stats: Stats = { count: 0, min: null, avg: null, max: null, first: null, last: null };
  let sum = 0;
  for (let i = 0; i < series.t.length; i++) {
    const v = series.v[i];
    if (v === null || !within(series, i, from, to)) continue;
    const n = series.n?.[i] ?? 1;
    const low = series.min?.[i] ?? v;
    const high = series.max?.[i] ?? v;
    stats.count += n;
    sum += v * n;
    stats.min = stats.min === null ? low : Math.min(stats.min, low);
    stats.max = stats.max === null ? high : Math.max(stats.max, high);
    stats.first ??= v;
    stats.last = v;
  }
  stats.avg = stats.count > 0 ? sum / stats.count : null;
  return stats;
}

/** Rows of a line that say how many decimals its values have. */
const LOOKED_AT = 64;

function decimalsOf(value: number): number {
  const text = String(Number(value.toPrecision(9)));
  const dot = text.indexOf(".");
  return text.includes("e") ? 12 : dot < 0 ? 0 : text.length - dot - 1;
}

/** Decimals that the newest values of a series have. */
function ownPlaces({ v }: Series, display: Display): number {
  let most = 0;
  for (let i = v.length - 1, looked = 0; i >= 0 && looked < LOOKED_AT; i--) {
    const value = v[i];
    if (value === null) continue;
    looked += 1;
    most = Math.max(most, decimalsOf(shown(value, display)));
  }
  return most;
}

export interface Digits {
  /** Significant digits, where more than usual are needed. */
  digits?: number;
  /** Decimals that all values of the line are shown with. */
  places?: number;
}

interface Drawn {
  series: Series | null;
  display: Display;
}

/**
 * How exactly the values of each line are shown: the lines of one axis alike, by how far they reach, and no line with more decimals
 * than its values have.
 */
export function digitsOf(lines: Drawn[]): Digits[] {
  const reach = new Map<string, [number, number]>();
  for (const { series, display } of lines) {
    const key = axisKey(display);
    let [low, high] = reach.get(key) ?? [Infinity, -Infinity];
    for (const v of series?.v ?? []) {
      if (v === null) continue;
      const value = shown(v, display);
      if (value < low) low = value;
      if (value > high) high = value;
    }
    reach.set(key, [low, high]);
  }
  return lines.map(({ series, display }) => {
    const [low, high] = reach.get(axisKey(display)) ?? [0, 0];
    if (!series) return {};
    const own = ownPlaces(series, display);
    if (!(high > low)) return { places: own };
    const distance = 10 ** Math.floor(Math.log10((high - low) / 10));
    const digits = digitsFor(Math.max(Math.abs(low), Math.abs(high)), distance);
    // A thousandth of the reach is more than can be seen.
    const places = Math.max(0, 3 - Math.ceil(Math.log10(high - low)));
    // Nobody reads twelve digits of GiB; of a number that counts something they may matter.
    return { digits: Math.min(digits, display.quantity === "plain" ? 12 : 6), places: Math.min(own, places, 12) };
  });
}
