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
      ctx.fillText(`${name} ${formatShown(value, display, units)}`, left + 4 * ratio, y - 3 * ratio);
    }
  }
  ctx.restore();
}
