/** Durations as Go writes them (`1h30m`, `250ms`) plus `d` and `w`, in milliseconds. */

const UNITS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  "µs": 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Milliseconds of a duration, or null when the text is none. */
export function parseDuration(text: string): number | null {
  const trimmed = text.trim();
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d|w))+$/.test(trimmed)) return null;
  let sum = 0;
  for (const [, number, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d|w)/g)) {
    sum += Number(number) * UNITS[unit];
  }
  return sum > 0 ? sum : null;
}

/** The shortest text that `parseDuration` reads back: `90m` is `1h30m`, a week is `7d`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Number(ms.toPrecision(3))}ms`;
  let rest = Math.round(ms / 1000);
  let text = "";
  for (const [unit, seconds] of [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]] as const) {
    const count = Math.floor(rest / seconds);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * seconds;
  }
  return text;
}

/** An age for people: one unit, never more precise than helpful. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

/** A duration as it stands in texts: `1h30m` is `1 h 30 m`. */
export function spaced(duration: string): string {
  return duration.replaceAll(/(\d)([a-zµ]+)(?=(\d?))/g, (_, digit: string, unit: string, next: string) => `${digit} ${unit}${next ? " " : ""}`);
}
