/** Times as text, by the browser settings (time zone, 12 or 24 hours). */
import { offsetAt, toInstant } from "./zone";

export interface ClockStyle {
  zone: string;
  hour12: boolean;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const two = (n: number) => String(n).padStart(2, "0");

function local(ms: number, zone: string): Date {
  return new Date(ms + offsetAt(ms, zone));
}

/** `14:05`, `14:05:30`, `2:05 pm`; seconds and milliseconds as asked. */
export function formatClock(ms: number, style: ClockStyle, precision: "minute" | "second" | "ms" = "second"): string {
  const d = local(ms, style.zone);
  const hours = d.getUTCHours();
  let text = `${style.hour12 ? hours % 12 || 12 : two(hours)}:${two(d.getUTCMinutes())}`;
  if (precision !== "minute") text += `:${two(d.getUTCSeconds())}`;
  if (precision === "ms") text += `.${String(d.getUTCMilliseconds()).padStart(3, "0")}`;
  return style.hour12 ? `${text} ${hours < 12 ? "am" : "pm"}` : text;
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

export function fromInput(text: string, zone: string): number | null {
  const ms = Date.parse(`${text}Z`);
  return Number.isNaN(ms) ? null : toInstant(ms, zone);
}
