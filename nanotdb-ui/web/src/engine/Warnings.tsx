/** What a start mended, and what else is to know of databases, until somebody has seen it. */
import { useSignal } from "@preact/signals";
import { acknowledge } from "../api/engine";
import type { Warning } from "../api/types";
import { Badge } from "../components/Badge";
import { Button } from "../components/Button";
import { Link } from "../components/Link";
import { clockStyle } from "../state/prefs";
import { settings } from "../state/server-settings";
import { formatDateTime } from "../time/format";

/** `db`: those are of this database alone. */
export function Warnings({ list, db = null, onDone }: { list: Warning[]; db?: string | null; onDone: () => void }) {
  const problem = useSignal("");
  const busy = useSignal(false);
  if (list.length === 0) return null;
  const seen = async () => {
    busy.value = true;
    problem.value = "";
    try {
      await acknowledge(db);
      onDone();
    } catch (error) {
      problem.value = (error as Error).message;
    } finally {
      busy.value = false;
    }
  };
  return (
    <section class="panel" aria-label="Warnings">
      <header class="row wrap">
        <h2>Warnings</h2>
        <Badge kind="warning">{list.length}</Badge>
        {!settings.read_only && list.some(({ can_acknowledge }) => can_acknowledge) && (
          <Button icon="ok" disabled={busy.value} onClick={() => void seen()}>
            Acknowledge
          </Button>
        )}
      </header>
      {problem.value && (
        <p class="bad" role="alert">
          {problem.value}
        </p>
      )}
      <ul class="stack">
        {list.map((warning) => (
          <li key={`${warning.db}/${warning.text}`}>
            {db === null && (
              <>
                <Link href={`${settings.engine_path}?db=${encodeURIComponent(warning.db)}`}>{warning.db}</Link>:{" "}
              </>
            )}
            {warning.text}{" "}
            <span class="quiet">
              {warning.since_ms === null ? "" : formatDateTime(warning.since_ms, clockStyle.value)}
              {warning.can_acknowledge ? "" : " (until its cause is gone)"}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
