import { now } from "../state/clock";
import { link } from "../state/connection";
import { formatAge } from "../time/duration";
import { Badge } from "./Badge";

/** Whether what is shown is current. */
export function ServerState() {
  const current = link.value;
  return (
    <span class="server-state" role="status">
      {current.state === "live" && <Badge kind="live">live</Badge>}
      {current.state === "polling" && <Badge kind="ok">connected</Badge>}
      {current.state === "connecting" && <span class="badge">connecting …</span>}
      {current.state === "away" && <Badge kind="away">server away</Badge>}
      {current.state === "away" && <span class="unseen">since {formatAge(now.peek() - current.since)}</span>}
    </span>
  );
}
