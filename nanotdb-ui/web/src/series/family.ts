/** Metrics that belong into one chart of the Home page. */
import { axisKey, displayOf, looksLikeCounter, WRITTEN } from "../scale/units";

export interface Family {
  id: string;
  db: string;
  title: string;
  rate: boolean;
  /** As they stand in the catalog; `inOrder` has them as they are drawn. */
  metrics: string[];
  /** Place of the first in the catalog. */
  first: number;
}

/** What people look at first stands first; the rest follows by name. */
const ORDER = ["cpu", "temp", "mem", "sys", "diskfs", "disk", "net", "io", "proc"];
/** What is large and says little, and would press all other lines of a chart to its floor. */
const LAST = /(^|\.)idle$|(^|[._])total$/;
const PREFERRED = /busy_pct|used_pct|load1$|available|temp|probe/;
/** Made once: `localeCompare` with options makes one at every call. */
const NUMERIC = new Intl.Collator("en", { numeric: true });

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

/** What the name of a metric says: which chart it belongs into, but for the first part of the name. */
interface Kind {
  unit: string;
  what: string;
  quantity: string;
  rate: boolean;
  /** What a rate is called: power, a share of time, else just that. */
  rateName: string;
}

/** By the names without their digits, which say nothing about it: of 65,000 names there are few hundred. */
const kinds = new Map<string, Kind>();

function kindOf(metric: string): Kind {
  const shape = metric.replace(/\d+/g, "0");
  let kind = kinds.get(shape);
  if (!kind) {
    const rate = looksLikeCounter(metric);
    const display = displayOf(metric, rate, WRITTEN);
    const last = (metric.split(/[./]/).at(-1) ?? metric).replace(/\d+$/, "");
    // A sum is drawn apart from what it is a sum of.
    const { apart } = display;
    const key = axisKey({ ...display, apart: undefined });
    // Without a known unit only like-named metrics share an axis: a load of 1 beside an uptime would be a flat line.
    const unit = [key || (rate ? "/s" : last), apart].filter(Boolean).join(" ");
    const quantity = key === "" ? last : display.quantity === "plain" ? "" : display.quantity;
    const what = apart && quantity !== apart ? `${quantity} ${apart}`.trim() : quantity;
    if (kinds.size > 20_000) kinds.clear();
    kinds.set(shape, (kind = { unit, what, quantity: display.quantity, rate, rateName: !rate ? "" : display.perSecond ? "rate" : display.quantity }));
  }
  return kind;
}

/** Metrics of one first name part, one unit, rates apart from levels. */
export function families(db: string, metrics: string[]): Family[] {
  const found = new Map<string, Family & { rank: number }>();
  metrics.forEach((metric, at) => {
    const end = metric.search(/[./]/);
    const prefix = end < 0 ? metric : metric.slice(0, end);
    const { unit, what, quantity, rate, rateName } = kindOf(metric);
    const id = `${db}/${prefix}/${unit}/${rate}`;
    let family = found.get(id);
    if (!family) {
      const title = [prefix, what === prefix ? "" : what, rateName === what ? "" : rateName].filter(Boolean).join(" · ");
      found.set(id, (family = { id, db, title, rate, metrics: [], first: at, rank: rank(prefix, quantity) + (rate ? 1 : 0) }));
    }
    family.metrics.push(metric);
  });
  for (const family of found.values()) if (family.metrics.length === 1) family.title = [family.metrics[0], kindOf(family.metrics[0]).rateName].filter(Boolean).join(" · ");
  return [...found.values()].sort((a, b) => a.rank - b.rank || NUMERIC.compare(a.title, b.title));
}

/** The metrics of a family as they are drawn: what people look at first, then by name. Only for families that are shown. */
export function inOrder({ metrics }: Family): string[] {
  const order = (metric: string) => (LAST.test(metric) ? 2 : PREFERRED.test(metric) ? 0 : 1);
  const ranked = metrics.map((metric) => ({ metric, rank: order(metric) }));
  return ranked.sort((a, b) => a.rank - b.rank || NUMERIC.compare(a.metric, b.metric)).map(({ metric }) => metric);
}

/**
 * The families that have all words: in their title or database, then with all their metrics, else in names of metrics, then
 * with those alone.
 */
export function matching(list: Family[], search: string): Family[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return list;
  return list.flatMap((family) => {
    const head = `${family.db} ${family.title}`.toLowerCase();
    const rest = words.filter((word) => !head.includes(word));
    if (rest.length === 0) return [family];
    const metrics = family.metrics.filter((metric) => rest.every((word) => metric.toLowerCase().includes(word)));
    return metrics.length > 0 ? [{ ...family, metrics }] : [];
  });
}

/**
 * How many charts each database gets of `places`: turn by turn, so that a large one does not press the others away. None is
 * left out while there are places.
 */
export function shares(counts: number[], places: number): number[] {
  const given = counts.map(() => 0);
  for (let left = places, before = -1; left > 0 && left !== before; ) {
    before = left;
    counts.forEach((count, i) => {
      if (left > 0 && given[i] < count) {
        given[i] += 1;
        left -= 1;
      }
    });
  }
  return given;
}
