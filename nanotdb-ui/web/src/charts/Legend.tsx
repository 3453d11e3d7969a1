import { now } from "../state/clock";
import { link } from "../state/connection";
import { unitStyle } from "../state/prefs";
import { formatShown, shown } from "../scale/units";
import { staleAfter } from "../series/stale";
import { formatAge } from "../time/duration";
import type { Line } from "./model";
import { colourOf, dashOf } from "./palette";

interface Props {
  lines: Line[];
  hidden: Set<string>;
  /** Values under the crosshair, by line; null shows the last ones. */
  cursor: (number | null)[] | null;
  /** Whether the newest is shown, so that it matters how old it is. */
  live: boolean;
  onToggle: (id: string) => void;
  onIsolate: (id: string) => void;
}

/** Age that is told while the server does not answer. */
const AWAY_MS = 5000;

/** A click hides a line, a double click or Shift shows it alone. */
export function Legend({ lines, hidden, cursor, live, onToggle, onIsolate }: Props) {
  return (
    <ul class="legend" aria-label="Lines">
      {lines.map((line, i) => {
        const last = line.series?.last;
        const value = cursor ? cursor[i] : live && last && last.v !== null && !isComputed(line) ? shown(last.v, line.display) : lastShown(line);
        const old = last ? now.value - last.t : 0;
        // While the server is away nothing is current.
        const most = link.value.state === "away" ? AWAY_MS : staleAfter(line.series?.intervalMs ?? null);
        const isOld = live && !cursor && last && old > most;
        return (
          <li key={line.id}>
            <button
              type="button"
              aria-pressed={!hidden.has(line.id)}
              title={`${line.label}: click hides, double click or Shift shows it alone`}
              onClick={(event) => (event.shiftKey ? onIsolate(line.id) : onToggle(line.id))}
              onDblClick={() => onIsolate(line.id)}
            >
              <svg width="18" height="8" aria-hidden="true">
                <line
                  x1="0"
                  x2="18"
                  y1="4"
                  y2="4"
                  stroke-width="3"
                  stroke-dasharray={dashOf(i, line.like).join(" ")}
                  style={{ stroke: colourOf(line, i) }}
                />
              </svg>
              <span class="name">{line.label}</span>
              <span class="value">{formatShown(value, line.display, unitStyle.value, line.digits, line.places)}</span>
              {isOld && <span class="old">{formatAge(old)} old</span>}
            </button>
          </li>
        );
      })}
    </ul>
  );
}

/** Whether the line shows something else than the newest sample does. */
function isComputed(line: Line): boolean {
  return line.rate === true || line.display.perSecond === true || line.series?.aggregated === true;
}

function lastShown(line: Line): number | null {
  const values = line.series?.v ?? [];
  for (let i = values.length - 1; i >= 0; i--) {
    const value = values[i];
    if (value !== null) return shown(value, line.display);
  }
  return null;
}
