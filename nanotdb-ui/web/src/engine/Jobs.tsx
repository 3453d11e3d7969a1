import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { getJobs, stopJob } from "../api/engine";
import type { Job } from "../api/types";
import { Badge } from "../components/Badge";
import { Button } from "../components/Button";
import { job } from "../state/feed";

const NAMES: Record<Job["kind"], string> = { build_metric: "Build metric file", compact: "Compact" };

/** Jobs with their progress, from the stream; `again` makes the list be got anew. */
export function Jobs({ again, onDone }: { again: number; onDone: () => void }) {
  const list = useSignal<Job[]>([]);
  const problem = useSignal("");
  useEffect(() => {
    getJobs().then(
      (jobs) => (list.value = jobs),
      (error: Error) => (problem.value = error.message),
    );
  }, [again]);
  useEffect(
    () =>
      job.subscribe((next) => {
        if (!next) return;
        list.value = [next, ...list.peek().filter(({ id }) => id !== next.id)];
        if (next.state !== "running" && next.state !== "queued") onDone();
      }),
    [],
  );
  if (list.value.length === 0 && !problem.value) return null;
  return (
    <section class="panel" aria-label="Jobs">
      <header class="row">
        <h2>Jobs</h2>
      </header>
      {problem.value && <p class="bad">{problem.value}</p>}
      <ul class="stack">
        {list.value.slice(0, 5).map((one) => (
          <li key={one.id}>
            <div class="row wrap">
              <strong>
                {NAMES[one.kind]}: {one.db} {one.partition ?? "(all sealed)"}
              </strong>
              {one.state === "done" && <Badge kind="ok">done</Badge>}
              {one.state === "failed" && <Badge kind="critical">failed</Badge>}
              {one.state === "stopped" && <Badge kind="warning">stopped</Badge>}
              <span class="quiet">{one.error ?? one.result ?? one.message}</span>
              {(one.state === "running" || one.state === "queued") && (
                <Button onClick={() => void stopJob(one.id).catch((error: Error) => (problem.value = error.message))}>Stop</Button>
              )}
            </div>
            {one.state === "running" && <progress aria-label={`Progress of job ${one.id}`} max={1} value={one.progress ?? undefined} />}
          </li>
        ))}
      </ul>
    </section>
  );
}
