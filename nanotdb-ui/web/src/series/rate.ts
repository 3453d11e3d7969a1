/** What comes in, in samples per second. */

/**
 * `counted`: of all samples, null while they were not counted long enough. `own`: what the server stores of itself, which comes
 * in bursts, so that the count is off by up to one of them (`slack`). What was counted is shown where it tells more than the
 * usual distances of the metrics do.
 */
export function comingIn(counted: number | null, promised: number, own: number, slack: number): number {
  if (counted === null) return promised;
  const others = Math.max(0, counted - own);
  return Math.abs(others - promised) <= slack ? promised : others;
}
