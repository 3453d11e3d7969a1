/** Lines that were refused: which, from whom, and why. */
import type { Refused as Request } from "../api/types";
import { Table } from "../components/Table";
import { now } from "../state/clock";
import { clockStyle } from "../state/prefs";
import { formatAge } from "../time/duration";
import { formatDateTime } from "../time/format";
import { grouped } from "../scale/number";

interface Row extends Request {
  key: string;
}

function Lines({ lines, rejected }: Request) {
  return (
    <>
      {lines.map(({ line, error }) => (
        <div key={line}>
          {line > 0 && <span class="quiet">line {line}: </span>}
          {error}
        </div>
      ))}
      {rejected > lines.length && <div class="quiet">and {grouped(rejected - lines.length)} more; the answer to the sender has the first 20</div>}
    </>
  );
}

/** `wanted`: told that there are none, too. */
export function Refused({ requests, wanted }: { requests: Request[]; wanted: boolean }) {
  if (requests.length === 0 && !wanted) return null;
  const rows: Row[] = requests.map((request, i) => ({ ...request, key: `${request.t_ms}/${i}` }));
  return (
    <section class="panel" aria-label="Refused lines">
      <header class="row">
        <h2>Refused lines</h2>
        <span class="quiet">the newest requests since the start</span>
      </header>
      <Table
        label="Refused lines"
        rows={rows}
        id={({ key }) => key}
        empty="None since the server started."
        find={({ sender, lines }) => `${sender ?? ""} ${lines.map(({ error }) => error).join(" ")}`}
        columns={[
          {
            name: "When",
            cell: ({ t_ms }) => (
              <>
                {formatDateTime(t_ms, clockStyle.value)} <span class="quiet">{formatAge(now.value - t_ms)} ago</span>
              </>
            ),
          },
          { name: "Sent by", cell: ({ sender }) => sender ?? "not told" },
          { name: "Refused", number: true, cell: ({ rejected, accepted }) => `${grouped(rejected)} of ${grouped(rejected + accepted)}` },
          { name: "Why", cell: (request) => <Lines {...request} /> },
        ]}
      />
    </section>
  );
}
