/** Offsets of time zones through Intl, cached: charts ask for many. */

const formats = new Map<string, Intl.DateTimeFormat>();
const offsets = new Map<string, number>();

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
    formats.set(zone, format);
  }
  return format;
}

/** Local time minus UTC at `ms`, in milliseconds. `zone` is an IANA name. */
export function offsetAt(ms: number, zone: string): number {
  if (zone === "UTC") return 0;
  const hour = Math.floor(ms / 900_000);
  const key = `${zone}/${hour}`;
  const known = offsets.get(key);
  if (known !== undefined) return known;
  const start = hour * 900_000;
  const part: Record<string, number> = {};
  for (const { type, value } of formatOf(zone).formatToParts(start)) part[type] = Number(value);
  const local = Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second);
  if (offsets.size > 2000) offsets.clear();
  offsets.set(key, local - start);
  return local - start;
}

/** The instant at which the clocks of `zone` show `local` (milliseconds as if they were UTC). */
export function toInstant(local: number, zone: string): number {
  const guess = local - offsetAt(local, zone);
  return local - offsetAt(guess, zone);
}

/** The other instant at which the clocks of `zone` show the same: in the hour that repeats when they are put back. */
export function twin(ms: number, zone: string): number | null {
  const own = offsetAt(ms, zone);
  for (const near of [ms - DAY_PART, ms + DAY_PART]) {
    const other = offsetAt(near, zone);
    if (other === own) continue;
    const instant = ms + own - other;
    if (offsetAt(instant, zone) === other) return instant;
  }
  return null;
}

/** Longer than any change of the clocks, shorter than the time between two. */
const DAY_PART = 3 * 3_600_000;

const names = new Map<string, Intl.DateTimeFormat>();

/** How the time of a zone is called at `ms`: EDT, GMT+2. */
export function zoneName(ms: number, zone: string): string {
  let format = names.get(zone);
  if (!format) names.set(zone, (format = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "short" })));
  return format.formatToParts(ms).find(({ type }) => type === "timeZoneName")?.value ?? "";
}

export function browserZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}
