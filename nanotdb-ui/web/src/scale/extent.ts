/**
 * The bounds of a value axis for data in [min, max]: room above and below, zero when it is near. No room above `full`. Data that
 * differ by no more than `noise` are all the same.
 */
export function extent(min: number | null, max: number | null, full = Infinity, noise = 0): [number, number] {
  const same = min !== null && max !== null && max - min <= noise ? (min + max) / 2 : null;
  const [low, high] = same === null ? roomy(min, max) : roomy(same, same);
  return [low, max !== null && max <= full ? Math.min(high, full) : high];
}

function roomy(min: number | null, max: number | null): [number, number] {
  if (min === null || max === null || !Number.isFinite(min) || !Number.isFinite(max)) return [0, 1];
  if (min === max) {
    const room = Math.abs(min) * 0.1 || 1;
    return min >= 0 && min - room < 0 ? [0, max + room] : [min - room, max + room];
  }
  const room = (max - min) * 0.06;
  const low = min >= 0 && min <= max * 0.5 ? 0 : min - room;
  const high = max <= 0 && max >= min * 0.5 ? 0 : max + room;
  return [low, high];
}
