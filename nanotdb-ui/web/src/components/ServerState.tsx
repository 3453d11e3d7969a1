import { now } from "../state/clock";
import { link } from "../state/connection";
import { formatAge } from "../time/duration";
import { Badge } from "./Badge";

/** Not read aloud: it would be again every second. */
function Since({ ms }: { ms: number }) {
  const age = now.value && Date.now() - ms; // the clock of the page ticks, that of the browser counts
  return age < 10_000 ? null : <span aria-hidden="true"> for {formatAge(age)}</span>;
}

/** Whether what is shown is current. */
export function ServerState() {
  const current = link.value;
  return (
    <span class="server-state" role="status">
      {current.state === "live" && <Badge kind="live">live</Badge>}
      {current.state === "polling" && <Badge kind="ok">connected</Badge>}
      {current.state === "connecting" && <span class="badge">connecting …</span>}
      {current.state === "away" && <Badge kind="away">server away<Since ms={current.since} /></Badge>}
    </span>
  );
}
