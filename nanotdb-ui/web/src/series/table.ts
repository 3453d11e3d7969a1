/** What a chart shows, as rows: for "view as table" and CSV, so that both say the same as the picture. */
import { type Series, type Value, within } from "./model";

export interface Named {
  label: string;
  series: Series;
  convert: (value: number) => number;
}

export interface Table {
  head: string[];
  rows: { t: number; cells: Value[] }[];
}

export function tableOf(layers: Named[], from: number, to: number): Table {
  const head: string[] = [];
  const rows = new Map<number, Value[]>();
  const columns: { series: Series; values: Value[]; convert: (v: number) => number }[] = [];
  for (const { label, series, convert } of layers) {
    columns.push({ series, values: series.v, convert });
    head.push(series.min ? `${label} avg` : label);
    if (series.min && series.max) {
      columns.push({ series, values: series.min, convert }, { series, values: series.max, convert });
      head.push(`${label} min`, `${label} max`);
    }
  }
  columns.forEach(({ series, values, convert }, k) => {
    for (let i = 0; i < series.t.length; i++) {
      const t = series.t[i];
      const value = values[i];
      if (value === null || value === undefined || !within(series, i, from, to)) continue;
      let row = rows.get(t);
      if (!row) rows.set(t, (row = new Array<Value>(columns.length).fill(null)));
      row[k] = convert(value);
    }
  });
  return { head, rows: [...rows].sort((a, b) => a[0] - b[0]).map(([t, cells]) => ({ t, cells })) };
}

function field(text: string): string {
  // A leading = + - @ would be a formula in a spreadsheet; names may hold anything.
  const safe = /^[=+@\t]|^-\D/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Shown values without float noise: 12 significant digits. Whole numbers have none. */
function cell(value: Value): string {
  if (value === null) return "";
  return String(Number.isSafeInteger(value) ? value : Number(value.toPrecision(12)));
}

/** RFC 4180, times as ISO 8601 in UTC. */
export function csvOf(table: Table): string {
  const lines = [["time", ...table.head].map(field).join(",")];
  for (const { t, cells } of table.rows) lines.push([new Date(t).toISOString(), ...cells.map(cell)].join(","));
  return `${lines.join("\r\n")}\r\n`;
}
