/** Age from which a value is no longer current: three usual intervals, and time for the way. Milliseconds. */
export function staleAfter(intervalMs: number | null): number {
  return Math.max((intervalMs ?? 60_000) * 3, 5000) + 5000;
}
