/** Threshold lines, drawn over the grid and named, so that they do not speak by colour alone. */
import type uPlot from "uplot";
import type { Line } from "./model";
import type { Palette } from "./palette";
import { axisKey, formatShown, type UnitStyle } from "../scale/units";

export function drawThresholds(u: uPlot, lines: Line[], palette: Palette, units: UnitStyle): void {
  if (!lines.some(({ thresholds }) => thresholds)) return;
  const { ctx } = u;
  const { left, top, width, height } = u.bbox;
  const drawn = new Set<string>();
  const labels: { text: string; y: number; colour: string }[] = [];
  const ratio = devicePixelRatio || 1;
  ctx.save();
  ctx.lineWidth = ratio;
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.textAlign = "left";
  for (const { thresholds, display } of lines) {
    if (!thresholds) continue;
    const scale = axisKey(display) || "y";
    for (const name of ["warning", "critical"] as const) {
      const value = thresholds[name];
      if (value === undefined || drawn.has(`${scale}/${name}/${value}`)) continue;
      drawn.add(`${scale}/${name}/${value}`);
      const y = Math.round(u.valToPos(value, scale, true));
      if (!(y >= top && y <= top + height)) continue;
      ctx.strokeStyle = ctx.fillStyle = name === "critical" ? palette.critical : palette.warning;
      ctx.setLineDash([4 * ratio, 4 * ratio]);
      ctx.beginPath();
      ctx.moveTo(left, y);
      ctx.lineTo(left + width, y);
      ctx.stroke();
      labels.push({ text: `${name} ${formatShown(value, display, units)}`, y, colour: ctx.strokeStyle });
    }
  }
  ctx.setLineDash([]);
  for (const { text, y, colour } of labels) {
    const box = { width: ctx.measureText(text).width + 8 * ratio, height: 16 * ratio };
    const places = [left + 4 * ratio, left + width - box.width - 4 * ratio].flatMap((x) =>
      [y - box.height - 2 * ratio, y + 2 * ratio].filter((at) => at >= top && at + box.height <= top + height).map((at) => ({ x, y: at })),
    );
    const [best] = places.map((at) => ({ at, crossed: crossings(u, { ...at, ...box }) })).sort((a, b) => a.crossed - b.crossed);
    if (!best) continue;
    // On a ground of its own: where lines run everywhere it is still read.
    ctx.globalAlpha = 0.85;
    ctx.fillStyle = palette.surface;
    ctx.fillRect(best.at.x, best.at.y, box.width, box.height);
    ctx.globalAlpha = 1;
    ctx.fillStyle = colour;
    ctx.fillText(text, best.at.x + 4 * ratio, best.at.y + 12 * ratio);
  }
  ctx.restore();
}

/** How many values of all lines lie in a part of the picture. */
function crossings(u: uPlot, box: { x: number; y: number; width: number; height: number }): number {
  const [from, to] = [box.x, box.x + box.width].map((x) => u.valToIdx(u.posToVal(x - u.bbox.left, "x", true)));
  let count = 0;
  for (let k = 1; k < u.series.length; k++) {
    const { scale, show } = u.series[k];
    if (!show || !scale) continue;
    for (let i = from; i <= to; i++) {
      const value = u.data[k][i];
      if (value === null || value === undefined) continue;
      const y = u.valToPos(value, scale, true);
      if (y >= box.y && y <= box.y + box.height) count += 1;
    }
  }
  return count;
}
