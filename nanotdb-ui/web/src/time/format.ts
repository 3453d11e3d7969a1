/** Times as text, by the browser settings (time zone, 12 or 24 hours). */
import { offsetAt, toInstant, twin, zoneName } from "./zone";

export interface ClockStyle {
  zone: string;
  hour12: boolean;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const two = (n: number) => String(n).padStart(2, "0");

function local(ms: number, zone: string): Date {
  return new Date(ms + offsetAt(ms, zone));
}

/** `14:05`, `14:05:30`, `2:05 pm`; seconds and milliseconds as asked. In an hour that comes twice with the name of the zone. */
export function formatClock(ms: number, style: ClockStyle, precision: "minute" | "second" | "ms" = "second"): string {
  const d = local(ms, style.zone);
  const hours = d.getUTCHours();
  let text = `${style.hour12 ? hours % 12 || 12 : two(hours)}:${two(d.getUTCMinutes())}`;
  if (precision !== "minute") text += `:${two(d.getUTCSeconds())}`;
  if (precision === "ms") text += `.${String(d.getUTCMilliseconds()).padStart(3, "0")}`;
  if (style.hour12) text += hours < 12 ? " am" : " pm";
  return style.zone !== "UTC" && twin(ms, style.zone) !== null ? `${text} ${zoneName(ms, style.zone)}` : text;
}

/** `1 May` or `1 May 2026`. */
export function formatDay(ms: number, style: ClockStyle, year = false): string {
  const d = local(ms, style.zone);
  const text = `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]}`;
  return year ? `${text} ${d.getUTCFullYear()}` : text;
}

export function formatMonth(ms: number, style: ClockStyle): string {
  const d = local(ms, style.zone);
  return d.getUTCMonth() === 0 ? String(d.getUTCFullYear()) : MONTHS[d.getUTCMonth()];
}

/** `1 May 2026 14:05:30`, in full. */
export function formatDateTime(ms: number, style: ClockStyle, precision: "minute" | "second" | "ms" = "second"): string {
  return `${formatDay(ms, style, true)} ${formatClock(ms, style, precision)}`;
}

/** The value of `<input type=datetime-local>` for an instant, and back. */
export function toInput(ms: number, zone: string): string {
  return local(ms, zone).toISOString().slice(0, 19);
}

/** Of an hour that comes twice the first, or with `later` the second. */
export function fromInput(text: string, zone: string, later = false): number | null {
  const ms = Date.parse(`${text}Z`);
  if (Number.isNaN(ms)) return null;
  const instant = toInstant(ms, zone);
  const other = twin(instant, zone);
  return other === null || other > instant === !later ? instant : other;
}

/** A stretch in as few letters as tell it: `8:20 – 9:20` of today, with the day of another, days alone where it is long. */
export function formatStretch(from: number, to: number, style: ClockStyle, now: number): string {
  const precision = to - from < 120_000 ? "second" : "minute";
  const year = (ms: number) => local(ms, style.zone).getUTCFullYear() !== local(now, style.zone).getUTCFullYear();
  const day = (ms: number) => formatDay(ms, style, year(ms));
  const clock = (ms: number) => formatClock(ms, style, precision);
  if (to - from >= 2 * 86_400_000) return `${day(from)} – ${day(to)}`;
  const [first, last] = [day(from), day(to)];
  const before = first === day(now) ? "" : `${first} `;
  return `${before}${clock(from)} – ${last === first ? "" : `${last} `}${clock(to)}`;
}
