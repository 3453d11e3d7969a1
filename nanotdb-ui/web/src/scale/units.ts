/** What a metric measures, guessed from its name, and how its values are shown. */
import { settings } from "../state/server-settings";
import { inGroups, prefixed, significant } from "./number";
import { type Fixed, type Prefixed, scaledSi, SENSORS, UNITS, WATTS_PER_KWH_A_SECOND } from "./sensors";

export type Quantity = "bytes" | "bits" | "percent" | "duration" | "temperature" | "frequency" | "count" | "plain" | Fixed | Prefixed;

/** How stored values become shown ones: shown = stored * factor + offset. */
export interface Display {
  quantity: Quantity;
  factor: number;
  offset: number;
  /** Text after the number for `plain`; for the others the prefix is chosen by size. */
  unit: string;
  /** Fixed decimals, from a dashboard's transform. */
  decimals?: number;
  perSecond?: boolean;
  /** Has an axis of its own, with this name: sums lie far from what they are sums of, whatever their unit is. */
  apart?: string;
}

export interface UnitStyle {
  bytes: "binary" | "decimal";
  temperature: "celsius" | "fahrenheit";
  /** Show what is stored, with no unit guessed from names. */
  raw: boolean;
}

/** Units as they are without settings of the browser: those that dashboards are written in. */
export const WRITTEN: UnitStyle = { bytes: "binary", temperature: "celsius", raw: false };

export const PLAIN: Display = { quantity: "plain", factor: 1, offset: 0, unit: "" };

/** Unit of an aggregate's results: that of the values, or a count. */
function unitOf(aggregate: string): "value" | "count" {
  return settings.aggregates.find(({ name }) => name === aggregate)?.unit ?? "value";
}

const RULES: [RegExp, Quantity, number][] = [
  // Those of drip, in its units.
  [/^temp\.cpu$/, "temperature", 0.001],
  [/^mem\.(total|free|available|buffers|cached|swap\w+)$/, "bytes", 1024],
  [/(_|\.|^)(pct|percent|percentage|humidity)$/, "percent", 1],
  [/(^|[._])(mdeg|millideg|mcelsius)$/, "temperature", 0.001],
  [/(^|[._])(temp|temperature|celsius|degc|deg_c)([._]|$)/, "temperature", 1],
  [/(^|[._])(kb|kib|kilobytes)$/, "bytes", 1024],
  [/kbps$/, "bytes", 1024],
  [/(^|[._])(bytes|bytes_\w+)$/, "bytes", 1],
  [/(^|[._])khz$/, "frequency", 1000],
  [/(^|[._])mhz$/, "frequency", 1e6],
  [/(^|[._])hz$/, "frequency", 1],
  [/(^|[._])(ns|nanos|nanoseconds)$/, "duration", 1e-9],
  [/(^|[._])(us|micros|microseconds)$/, "duration", 1e-6],
  [/(^|[._])(ms|millis|milliseconds)$/, "duration", 1e-3],
  [/(^|[._])(s|sec|secs|seconds)$/, "duration", 1],
  ...SENSORS,
];

/** Counters of the processor's time, in hundredths of a second. */
const TICKS = /^cpu\.(user|nice|system|idle|iowait|irq|softirq|steal)$/;

/** Time spent per time: a share, of one processor or disk. */
function share(factor: number): Display {
  return { quantity: "percent", factor: factor * 100, offset: 0, unit: "%" };
}

const COUNTER =
  /(^|[._])(total|reads|writes|reads_merged|writes_merged|\w+_sectors|read_ms|write_ms|io_ms|io_weighted_ms|[rt]x_(bytes|packets|drop|dropped|errors|errs)|pgpgin|pgpgout|pswpin|pswpout)$|^cpu\.(user|nice|system|idle|iowait|irq|softirq|steal)$|_total(_(ns|us|ms|s|sec|seconds))?$/;

/** What a rollup adds to the name of a metric, where the unit stays. */
const ROLLUP = /\.(avg|mean|min|max|median|first|last|p\d+|trimmed_avg)$/;

/** Whether the name is that of a count that only grows, so that its rate is what people want to see. */
export function looksLikeCounter(metric: string): boolean {
  const name = metric.replace(ROLLUP, "");
  return COUNTER.test(name) && !/(procs|inodes)_total|(mem|swap)[._]?total$|(^|\.)bytes_?total$/.test(name);
}

/** How values of `metric` are shown, or of one of its aggregates: a number of samples is no temperature. */
export function displayOf(metric: string, rate: boolean, style: UnitStyle, aggregate?: string): Display {
  const display = unitOfName(metric, rate, style, aggregate);
  return isSum(metric, aggregate) ? { ...display, apart: "sum" } : display;
}

/** Whether it is a sum of values, by a query or by a rollup. */
export function isSum(metric: string, aggregate?: string): boolean {
  return aggregate === "sum" || (aggregate === undefined && metric.endsWith(".sum"));
}

function unitOfName(metric: string, rate: boolean, style: UnitStyle, aggregate?: string): Display {
  if (aggregate !== undefined && unitOf(aggregate) === "count") return PLAIN;
  if (style.raw || metric.endsWith(".count")) return { ...PLAIN, perSecond: rate };
  const name = metric.toLowerCase().replace(ROLLUP, "");
  if (rate && TICKS.test(name)) return share(0.01);
  const rule = RULES.find(([pattern]) => pattern.test(name));
  if (!rule) return { ...PLAIN, perSecond: rate };
  const [, quantity, factor] = rule;
  const perSecond = rate || name.endsWith("kbps");
  if (quantity === "temperature" && style.temperature === "fahrenheit") {
    return { quantity, factor: factor * 1.8, offset: 32, unit: "°F" };
  }
  if (quantity === "temperature") return { quantity, factor, offset: 0, unit: "°C" };
  if (rate && quantity === "energy") return { quantity: "power", factor: factor * WATTS_PER_KWH_A_SECOND, offset: 0, unit: "" };
  if (rate && quantity === "duration") return share(factor);
  if (quantity === "percent") return { quantity, factor, offset: 0, unit: "%" };
  return { quantity, factor, offset: 0, unit: "", perSecond };
}

export function shown(value: number, display: Display): number {
  return value * display.factor + display.offset;
}

const LONG: [number, string][] = [
  [86_400, "d"],
  [3600, "h"],
  [60, "m"],
];

/** `17 d 8 h 40 m`: where one unit would need many digits. */
function inParts(seconds: number, digits: number): string {
  const precision = 10 ** (Math.floor(Math.log10(seconds)) - digits + 1);
  let rest = Math.round(seconds / precision) * precision;
  const parts: string[] = [];
  for (const [size, unit] of LONG) {
    const count = Math.floor(rest / size + 1e-9);
    if (count > 0) parts.push(`${count} ${unit}`);
    rest -= count * size;
  }
  if (precision < 60 && rest > precision / 2) parts.push(`${significant(rest, 4)} s`);
  return parts.join(" ");
}

/** What is stored where `value` is shown. */
export function stored(value: number, display: Display): number {
  return (value - display.offset) / (display.factor || 1);
}

/** A time in the unit that fits it; in several where that takes more than `digits` 4. `kept`: see `significant`. */
export function formatSeconds(seconds: number, digits = 3, kept?: number): string {
  const size = Math.abs(seconds);
  if (size === 0) return "0 s";
  if (size < 1e-6) return `${significant(seconds * 1e9, digits, kept)} ns`;
  if (size < 1e-3) return `${significant(seconds * 1e6, digits, kept)} µs`;
  if (size < 1) return `${significant(seconds * 1e3, digits, kept)} ms`;
  if (size < 120) return `${significant(seconds, digits, kept)} s`;
  if (digits > 4) return (seconds < 0 ? "-" : "") + inParts(size, digits);
  if (size < 7200) return `${significant(seconds / 60, digits, kept)} min`;
  if (size < 172_800) return `${significant(seconds / 3600, digits, kept)} h`;
  return `${significant(seconds / 86_400, digits, kept)} d`;
}

/** Numbers that a prefix makes no more readable. */
const BEYOND_PREFIXES = 1e21;
/** Every digit that significance allows, zeros at the end among them. */
const STEADY = 12;

/**
 * A shown value with its unit. `wanted`: significant digits where the dashboard fixes no decimals; what is usual without.
 * `places`: decimals of the line that it is of, kept for all of its values, so that they do not dance; where the unit is scaled
 * by size, that there are any means that zeros at the end stay.
 */
export function formatShown(value: number | null | undefined, display: Display, style: UnitStyle, wanted?: number, places?: number): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const rate = display.perSecond ? "/s" : "";
  const digits = wanted ?? 4;
  const kept = places === undefined ? undefined : STEADY;
  if (display.decimals !== undefined) return `${value.toFixed(display.decimals).replace(/^-(?=0(\.0*)?$)/, "")}${display.unit}${rate}`;
  switch (display.quantity) {
    case "bytes": {
      const [scaled, prefix] = prefixed(value, style.bytes === "binary" ? 1024 : 1000);
      return `${significant(scaled, digits, prefix === "" ? places : kept)} ${prefix}B${rate}`;
    }
    case "bits":
    case "frequency": {
      const [scaled, prefix] = prefixed(value, 1000);
      return `${significant(scaled, digits, prefix === "" ? places : kept)} ${prefix}${display.quantity === "bits" ? "bit" : "Hz"}${rate}`;
    }
    case "power":
    case "voltage":
    case "current": {
      const [scaled, prefix] = scaledSi(value);
      return `${significant(scaled, digits, prefix === "" ? places : kept)} ${prefix}${UNITS[display.quantity]}${rate}`;
    }
    case "energy":
    case "pressure":
    case "concentration":
    case "illuminance":
    case "rotation": {
      const number = significant(value, digits, places);
      return `${Math.abs(value) >= 100_000 ? inGroups(number) : number} ${UNITS[display.quantity]}${rate}`;
    }
    case "duration":
      return rate ? `${significant(value, digits, places)} s/s` : formatSeconds(value, wanted, kept);
    case "percent":
    case "temperature":
      return `${significant(value, digits, places)} ${display.unit}`;
    default: {
      const size = Math.abs(value);
      if (size < 100_000 || size >= BEYOND_PREFIXES) return `${significant(value, digits, places)}${display.unit}${rate}`;
      // With a prefix it would be no shorter.
      if (digits > 5 && size < 1e15) return `${inGroups(significant(value, digits, places))}${display.unit}${rate}`;
      const [scaled, prefix] = prefixed(value, 1000);
      return `${significant(scaled, digits, kept)}${prefix ? ` ${prefix}` : ""}${display.unit}${rate}`;
    }
  }
}

/** Whether values are shown in a unit by their size, so that neighbours on an axis may have different ones. */
export function isScaled({ quantity }: Display): boolean {
  return !["percent", "temperature", "energy", "pressure", "concentration", "illuminance", "rotation"].includes(quantity);
}

/** Series of one axis share this. */
export function axisKey(display: Display): string {
  const unit = `${display.quantity === "plain" ? display.unit.trim() : display.quantity}${display.perSecond ? "/s" : ""}`;
  return display.apart ? `${unit} ${display.apart}` : unit;
}

const POWERS_OF_TWO = Array.from({ length: 64 }, (_, i) => 2 ** i);
const TIMES = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];

function decimalsFrom(first: number, last: number): number[] {
  const found: number[] = [];
  for (let power = first; power <= last; power++) for (const n of [1, 2, 2.5, 5]) found.push(n * 10 ** power);
  return found;
}

/** Distances of marks on a value axis that are round in its unit. */
export function incrementsOf(display: Display, style: UnitStyle): number[] {
  if (display.quantity === "bytes" && style.bytes === "binary") return [...decimalsFrom(-6, -1), ...POWERS_OF_TWO];
  if (display.quantity === "duration" && !display.perSecond) {
    return [...decimalsFrom(-12, -1), ...TIMES, ...decimalsFrom(0, 8).map((n) => n * 86_400)];
  }
  return decimalsFrom(-12, 18);
}
