/** Colours of charts, taken from the style sheet so that themes live in one place. */

export const COLOURS = 8;

export interface Palette {
  series: string[];
  text: string;
  grid: string;
  surface: string;
  warning: string;
  critical: string;
}

let known: { theme: string | undefined; palette: Palette } | null = null;

/** That of the theme in use. Read once for all charts: asking makes the browser lay the page out. */
export function readPalette(): Palette {
  const { theme } = document.documentElement.dataset;
  if (known?.theme !== theme || !known?.palette.text) known = { theme, palette: read() };
  return known.palette;
}

function read(): Palette {
  const style = getComputedStyle(document.documentElement);
  const get = (name: string) => style.getPropertyValue(name).trim();
  return {
    series: Array.from({ length: COLOURS }, (_, i) => get(`--s${i}`)),
    text: get("--quiet"),
    grid: get("--grid"),
    surface: get("--card"),
    warning: get("--warn"),
    critical: get("--bad"),
  };
}

/** The colour of the line at a place, as a style. */
export function colourOf({ color, like }: { color?: string; like?: number }, index: number): string {
  return color ?? `var(--s${(like ?? index) % COLOURS})`;
}

/** Line patterns: colours repeat after eight, and not everybody tells eight apart. */
export function dashOf(index: number, like?: number): number[] {
  if (like !== undefined) return [3, 4];
  return [[], [6, 3], [2, 3], [8, 3, 2, 3]][Math.floor(index / COLOURS) % 4];
}

/** A colour, however it is written, with a share of its opacity. */
export function faded(colour: string, share: number): string {
  const alpha = Math.round(share * 255).toString(16).padStart(2, "0");
  return /^#[0-9a-f]{6}$/i.test(colour) ? colour + alpha : `color-mix(in srgb, ${colour} ${Math.round(share * 100)}%, transparent)`;
}
