import { now } from "../state/clock";
import { formatAge } from "../time/duration";
import { staleAfter } from "../series/stale";
import { Badge } from "./Badge";

/** The age of a value, once it is older than it should be. */
export function Age({ t, intervalMs }: { t: number | null | undefined; intervalMs: number | null }) {
  if (t === null || t === undefined) return null;
  const age = now.value - t;
  if (age <= staleAfter(intervalMs)) return null;
  return <Badge kind="stale">stale {formatAge(age)}</Badge>;
}
