/** Numbers as text: short, with a fixed width where they change. */

/** At most `digits` significant digits, no exponent between 1e-4 and 1e15, no trailing zeros. */
export function significant(value: number, digits = 4): string {
  if (value === 0) return "0";
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  if (magnitude < -4 || magnitude >= 15) return value.toExponential(Math.max(0, digits - 1)).replace(/\.?0*e\+?/, "e");
  const decimals = Math.min(12, Math.max(0, digits - 1 - magnitude));
  const text = value.toFixed(decimals);
  return decimals > 0 ? text.replace(/\.?0+$/, "") : text;
}

/** Groups of three with a thin space: 717 120. */
export function grouped(value: number): string {
  return Math.round(value).toString().replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
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
