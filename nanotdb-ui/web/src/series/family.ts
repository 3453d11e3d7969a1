/** Metrics that belong into one chart of the Home page. */
import { axisKey, displayOf, looksLikeCounter, WRITTEN } from "../scale/units";

export interface Family {
  id: string;
  db: string;
  title: string;
  rate: boolean;
  metrics: string[];
}

/** What people look at first stands first; the rest follows by name. */
const ORDER = ["cpu", "temp", "mem", "sys", "diskfs", "disk", "net", "io", "proc"];
/** What is large and says little, and would press all other lines of a chart to its floor. */
const LAST = /(^|\.)idle$|(^|[._])total$/;
const PREFERRED = /busy_pct|used_pct|load1$|available|temp|probe/;

function rank(prefix: string, quantity: string): number {
  const place = ORDER.indexOf(prefix);
  return (place < 0 ? 3.5 : place) * 10 + (quantity === "percent" || quantity === "temperature" ? 0 : 5);
}

/** Names without what all of them begin with, as far as whole parts of a name go; one name stays as it is. */
export function shortNames(names: string[]): string[] {
  if (names.length < 2) return names;
  const parts = names.map((name) => name.split(/(?<=[./])/));
  let common = 0;
  while (parts.every((own) => own.length > common + 1 && own[common] === parts[0][common])) common += 1;
  return parts.map((own) => own.slice(common).join(""));
}

/** Metrics of one first name part, one unit, rates apart from levels. */
export function families(db: string, metrics: string[]): Family[] {
  const found = new Map<string, Family & { rank: number }>();
  for (const metric of metrics) {
    const prefix = metric.split(/[./]/, 1)[0];
    const rate = looksLikeCounter(metric);
    const display = displayOf(metric, rate, WRITTEN);
    const last = metric.split(/[./]/).at(-1) ?? metric;
    // Without a known unit only like-named metrics share an axis: a load of 1 beside an uptime would be a flat line.
    const unit = axisKey(display) || (rate ? "/s" : last.replace(/\d+$/, ""));
    const id = `${db}/${prefix}/${unit}/${rate}`;
    let family = found.get(id);
    if (!family) {
      const what = axisKey(display) === "" ? last.replace(/\d+$/, "") : display.quantity === "plain" ? "" : display.quantity;
      const title = [prefix, what === prefix ? "" : what, rate ? "rate" : ""].filter(Boolean).join(" · ");
      found.set(id, (family = { id, db, title, rate, metrics: [], rank: rank(prefix, display.quantity) }));
    }
    family.metrics.push(metric);
  }
  for (const family of found.values()) {
    const order = (metric: string) => (LAST.test(metric) ? 2 : PREFERRED.test(metric) ? 0 : 1);
    family.metrics.sort((a, b) => order(a) - order(b) || a.localeCompare(b, undefined, { numeric: true }));
  }
  for (const family of found.values()) if (family.metrics.length === 1) family.title = family.metrics[0] + (family.rate ? " · rate" : "");
  return [...found.values()].sort((a, b) => a.rank - b.rank || a.title.localeCompare(b.title));
}
