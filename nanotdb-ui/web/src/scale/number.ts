/** Numbers as text: short, with a fixed width where they change. */

/**
 * At most `digits` significant digits, no exponent between 1e-4 and 1e15, no trailing zeros. With `places` as many decimals as these and
 * the digits allow, zeros among them: values of one line are then equally long.
 */
export function significant(value: number, digits = 4, places?: number): string {
  if (value === 0) return (0).toFixed(places === undefined ? 0 : Math.min(places, digits - 1));
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  const decimals = Math.min(12, Math.max(0, digits - 1 - magnitude));
  if (magnitude >= 15 || (magnitude < -4 && (places === undefined || places > 6))) {
    return value.toExponential(Math.max(0, digits - 1)).replace(/\.?0*e\+?/, "e");
  }
  if (places !== undefined) return value.toFixed(Math.min(decimals, places)).replace(/^-(?=[0.]*$)/, "");
  const text = value.toFixed(decimals);
  return decimals > 0 ? text.replace(/\.?0+$/, "") : text;
}

/** Significant digits that values as large as `size` need, to tell those apart that lie `distance` apart. */
export function digitsFor(size: number, distance: number, least = 4): number {
  if (!(distance > 0) || !(size > 0) || !Number.isFinite(size)) return least;
  const magnitude = (value: number) => Math.floor(Math.log10(value) + 1e-9);
  const step = distance / 10 ** magnitude(distance);
  const fraction = Math.abs(step - Math.round(step)) > 1e-6 ? 1 : 0; // steps of 2.5
  return Math.min(15, Math.max(least, magnitude(size) - magnitude(distance) + 1 + fraction));
}

/** Decimals that multiples of `step` have. */
export function placesOf(step: number): number {
  for (let places = 0; places < 12; places++) if (Math.abs(step * 10 ** places - Math.round(step * 10 ** places)) < 1e-6) return places;
  return 12;
}

/** The whole part of a number in groups of three with a thin space. */
export function inGroups(number: string): string {
  const [whole, rest] = number.split(/(?=\.)/);
  return whole.replace(/\B(?=(\d{3})+$)/g, "\u202f") + (rest ?? "");
}

/** 717 120. */
export function grouped(value: number): string {
  return inGroups(Math.round(value).toString());
}

const DECIMAL = ["", "k", "M", "G", "T", "P", "E"];
const BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/** A number scaled by 1000 or 1024 with its prefix: [1.5, "M"]. */
export function prefixed(value: number, base: 1000 | 1024): [number, string] {
  let index = 0;
  let scaled = value;
  while (Math.abs(scaled) >= base && index < DECIMAL.length - 1) {
    scaled /= base;
    index += 1;
  }
  return [scaled, (base === 1024 ? BINARY : DECIMAL)[index]];
}

export function formatBytes(value: number, binary = true): string {
  const [scaled, prefix] = prefixed(value, binary ? 1024 : 1000);
  return `${significant(scaled, 3)} ${prefix}B`;
}
