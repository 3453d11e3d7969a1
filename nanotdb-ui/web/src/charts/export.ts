/** A chart as a file: PNG with its title and legend, CSV with exactly what is drawn. */
import { csvOf, tableOf } from "../series/table";
import { shown } from "../scale/units";
import type { Line } from "./model";
import type { Palette } from "./palette";

function fileName(title: string, extension: string): string {
  return `${title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "chart"}.${extension}`;
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

export function savePng(title: string, plot: HTMLCanvasElement, lines: Line[], palette: Palette): void {
  const ratio = devicePixelRatio || 1;
  const canvas = document.createElement("canvas");
  canvas.width = plot.width + 16 * ratio;
  canvas.height = plot.height + 64 * ratio;
  const ctx = canvas.getContext("2d");
  if (!ctx) return;
  ctx.fillStyle = palette.surface;
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.drawImage(plot, 8 * ratio, 32 * ratio);
  ctx.fillStyle = palette.text;
  ctx.font = `600 ${15 * ratio}px system-ui, sans-serif`;
  ctx.fillText(title, 12 * ratio, 22 * ratio);
  ctx.font = `${12 * ratio}px system-ui, sans-serif`;
  let x = 12 * ratio;
  lines.forEach(({ label, color, like }, i) => {
    ctx.fillStyle = color ?? palette.series[(like ?? i) % palette.series.length];
    ctx.fillRect(x, canvas.height - 18 * ratio, 12 * ratio, 3 * ratio);
    ctx.fillStyle = palette.text;
    ctx.fillText(label, x + 16 * ratio, canvas.height - 12 * ratio);
    x += ctx.measureText(label).width + 32 * ratio;
  });
  canvas.toBlob((blob) => blob && saveFile(fileName(title, "png"), blob));
}
