/** A chart as a file: PNG with its title, time, values and limits, CSV with exactly what is drawn. */
import { csvOf, tableOf } from "../series/table";
import { statsOf } from "../series/stats";
import { formatShown, shown, type UnitStyle } from "../scale/units";
import { type ClockStyle, formatDateTime } from "../time/format";
import type { Line } from "./model";
import { dashOf, type Palette } from "./palette";

function fileName(title: string, extension: string): string {
  const name = title.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 80).replace(/^-|-$/g, "");
  return `${name || "chart"}.${extension}`;
}

export function saveFile(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function tableOfLines(lines: Line[], view: [number, number]) {
  const layers = lines.flatMap(({ series, label, display }) =>
    series ? [{ series, label, convert: (v: number) => shown(v, display) }] : [],
  );
  return tableOf(layers, view[0], view[1]);
}

export function saveCsv(title: string, lines: Line[], view: [number, number]): void {
  saveFile(fileName(title, "csv"), new Blob([csvOf(tableOfLines(lines, view))], { type: "text/csv" }));
}

interface Mark {
  text: string;
  x: number;
  row: number;
}

function cutTo(width: number, text: string, measure: (text: string) => number): string {
  let cut = text;
  while (cut.length > 1 && measure(cut) > width) cut = `${cut.slice(0, -2)}…`;
  return cut;
}

/** Places for the names of lines below a picture, in as many rows as they need; a name wider than all is cut. */
export function legendRows(names: string[], width: number, measure: (text: string) => number): Mark[] {
  let [x, row] = [0, 0];
  return names.map((name) => {
    const text = cutTo(width - MARK, name, measure);
    const needs = measure(text) + MARK;
    if (x > 0 && x + needs > width) [x, row] = [0, row + 1];
    const mark = { text, x, row };
    x += needs + 14;
    return mark;
  });
}

/** Width of a line's sample with its distance to the name. */
const MARK = 24;
const HEAD = 52;
const ROW = 18;

export interface Picture {
  title: string;
  plot: HTMLCanvasElement;
  lines: Line[];
  hidden: Set<string>;
  palette: Palette;
  view: [number, number];
  clock: ClockStyle;
  units: UnitStyle;
}

/** What a line was, in words: its newest value in the picture, how low and high it went, and its limits. */
export function captionOf({ label, series, display, digits, places, thresholds }: Line, [from, to]: [number, number], units: UnitStyle): string {
  const stats = series ? statsOf(series, from, to) : null;
  const text = (stored: number | null) => formatShown(stored === null ? null : shown(stored, display), display, units, digits, places);
  const limits = (["warning", "critical"] as const).flatMap((name) =>
    thresholds?.[name] === undefined ? [] : [`${name} ${thresholds.direction} ${formatShown(thresholds[name], display, units)}`],
  );
  const values = stats && stats.count > 0 ? [`last ${text(stats.last)}`, `${text(stats.min)} … ${text(stats.max)}`] : ["no samples"];
  return `${label}: ${[...values, ...limits].join(", ")}`;
}

/** From when to when a picture is, in the zone of its axis. */
export function stretchOf([from, to]: [number, number], clock: ClockStyle): string {
  const precision = to - from < 120_000 ? "second" : "minute";
  return `${formatDateTime(from, clock, precision)} – ${formatDateTime(to, clock, precision)} (${clock.zone})`;
}

export function savePng({ title, plot, lines, hidden, palette, view, clock, units }: Picture): void {
  const ratio = devicePixelRatio || 1;
  const canvas = document.createElement("canvas");
  const ctx = canvas.getContext("2d");
  if (!ctx) return;
  const [width, height] = [plot.width / ratio + 16, plot.height / ratio];
  const font = "12px system-ui, sans-serif";
  ctx.font = font;
  const present = lines.flatMap((line, i) => (hidden.has(line.id) ? [] : [{ line, i }]));
  const measure = (text: string) => ctx.measureText(text).width;
  const marks = legendRows(present.map(({ line }) => captionOf(line, view, units)), width - 24, measure);
  const rows = (marks.at(-1)?.row ?? 0) + 1;
  canvas.width = width * ratio;
  canvas.height = (HEAD + height + 8 + rows * ROW + 6) * ratio;
  ctx.scale(ratio, ratio);
  ctx.fillStyle = palette.surface;
  ctx.fillRect(0, 0, width, canvas.height);
  ctx.drawImage(plot, 8, HEAD, plot.width / ratio, height);
  ctx.fillStyle = palette.text;
  ctx.font = "600 15px system-ui, sans-serif";
  ctx.fillText(cutTo(width - 24, title, measure), 12, 22);
  ctx.font = font;
  ctx.fillText(cutTo(width - 24, stretchOf(view, clock), measure), 12, 42);
  ctx.lineWidth = 3;
  marks.forEach(({ text, x, row }, k) => {
    const { line, i } = present[k];
    const y = HEAD + height + 16 + row * ROW;
    ctx.strokeStyle = line.color ?? palette.series[(line.like ?? i) % palette.series.length];
    ctx.setLineDash(dashOf(i, line.like));
    ctx.beginPath();
    ctx.moveTo(12 + x, y);
    ctx.lineTo(12 + x + 18, y);
    ctx.stroke();
    ctx.fillText(text, 12 + x + MARK, y + 4);
  });
  canvas.toBlob((blob) => blob && saveFile(fileName(title, "png"), blob));
}
