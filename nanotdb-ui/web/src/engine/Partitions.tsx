/** The partitions of a database: on a time line and as a table, with what can be done to them. */
import { useSignal } from "@preact/signals";
import { startJob } from "../api/engine";
import type { Job, Partition } from "../api/types";
import { Badge } from "../components/Badge";
import { Button } from "../components/Button";
import { Dialog } from "../components/Dialog";
import { Table } from "../components/Table";
import { clockStyle } from "../state/prefs";
import { settings } from "../state/server-settings";
import { formatDay } from "../time/format";
import { grouped, significant } from "../scale/number";
import { bytes } from "./Overview";
import { bars } from "./timeline";

interface Ask {
  kind: Job["kind"];
  partition: string | null;
}

export function Partitions({ db, partitions, onStarted }: { db: string; partitions: Partition[]; onStarted: () => void }) {
  const ask = useSignal<Ask | null>(null);
  const size = ({ files }: Partition) => files.reduce((sum, file) => sum + file.bytes, 0);
  const may = !settings.read_only;
  const newestFirst = [...partitions].reverse();
  return (
    <section class="panel" aria-label="Partitions">
      <header class="row wrap">
        <h2>Partitions</h2>
        {may && (
          <>
            <Button disabled={!partitions.some((p) => p.can_build)} onClick={() => (ask.value = { kind: "build_metric", partition: null })}>
              Build all metric files
            </Button>
            <Button disabled={!partitions.some((p) => p.can_compact)} onClick={() => (ask.value = { kind: "compact", partition: null })}>
              Compact all
            </Button>
          </>
        )}
      </header>
      <Timeline partitions={partitions} />
      <Table
        label="Partitions"
        rows={newestFirst}
        id={({ key }) => key}
        find={({ key, sealed, files }) => [key, sealed ? "sealed" : "taking samples", ...files.map((file) => file.name)].join(" ")}
        empty="Nothing is on the disk yet: samples are in memory and in the log until a page is flushed."
        columns={[
          { name: "Partition", cell: ({ key }) => key },
          { name: "State", cell: (p) => (p.sealed ? "sealed" : <Badge kind="live">taking samples</Badge>) },
          { name: "Samples", number: true, cell: (p) => (p.points === null ? "–" : grouped(p.points)) },
          { name: "Size", number: true, cell: (p) => bytes(size(p)) },
          { name: "Bytes per sample", number: true, cell: (p) => (p.points ? significant(size(p) / p.points, 3) : "–") },
          {
            name: "Files",
            cell: (p) =>
              p.files.map((file) => (
                <div key={file.name}>
                  <code>{file.name}</code>{" "}
                  <span class="quiet">
                    {bytes(file.bytes)}, {file.kind}
                    {file.codec ? `, ${file.codec}` : ""}
                    {file.pages === null ? "" : `, ${grouped(file.pages)} ${file.pages === 1 ? "page" : "pages"}`}
                  </span>
                </div>
              )),
          },
          {
            name: "Actions",
            cell: (p) =>
              may &&
              (p.can_build || p.can_compact) && (
                <span class="row">
                  {p.can_build && (
                    <Button label={`Build the metric file of ${p.key}`} onClick={() => (ask.value = { kind: "build_metric", partition: p.key })}>
                      Build
                    </Button>
                  )}
                  {p.can_compact && (
                    <Button label={`Compact ${p.key}`} onClick={() => (ask.value = { kind: "compact", partition: p.key })}>
                      Compact
                    </Button>
                  )}
                </span>
              ),
          },
        ]}
      />
      {ask.value && <Confirm db={db} ask={ask.value} onClose={() => (ask.value = null)} onStarted={onStarted} />}
    </section>
  );
}

function Timeline({ partitions }: { partitions: Partition[] }) {
  const { from, to, bars: list } = bars(partitions);
  if (list.length === 0) return null;
  const W = 1000;
  const most = list.reduce((best, bar) => Math.max(best, bar.bytesPerPoint ?? 0), 0);
  return (
    <figure style={{ margin: "0 0 12px" }}>
      <svg class="timeline" viewBox={`0 0 ${W} 96`} preserveAspectRatio="none" role="img" aria-label={`${list.length} partitions on a time line; the table has the numbers`}>
        <rect class="base" x="0" y="94" width={W} height="2" />
        {list.map((bar) => {
          const [x, width, height] = [bar.x * W + 0.5, Math.max(1, bar.width * W - 1), bar.height * 86];
          const metric = height * bar.metric;
          return (
            <g key={bar.key}>
              <title>
                {bar.key}: {bytes(bar.bytes)}
                {bar.metric > 0 ? `, ${bytes(bar.bytes * bar.metric)} of it in the metric file` : ""}
                {bar.bytesPerPoint === null ? "" : `, ${significant(bar.bytesPerPoint, 3)} bytes per sample`}
              </title>
              <rect x={x} width={width} y={94 - height + metric} height={height - metric} />
              <rect class="metric" x={x} width={width} y={94 - height} height={metric} />
            </g>
          );
        })}
      </svg>
      <figcaption class="timeline-key quiet">
        <span>{formatDay(from, clockStyle.value, true)}</span>
        <span>
          <span class="key">
            <i style={{ background: "var(--s0)" }} /> raw pages
          </span>
          <span class="key">
            <i style={{ background: "var(--s2)" }} /> metric file
          </span>
          height: bytes per sample{most > 0 ? `, up to ${significant(most, 3)}` : ""}
        </span>
        <span>{formatDay(to, clockStyle.value, true)}</span>
      </figcaption>
    </figure>
  );
}

function Confirm({ db, ask, onClose, onStarted }: { db: string; ask: Ask; onClose: () => void; onStarted: () => void }) {
  const problem = useSignal("");
  const busy = useSignal(false);
  const build = ask.kind === "build_metric";
  const what = ask.partition === null ? `all sealed partitions of ${db}` : `partition ${ask.partition} of ${db}`;
  const go = async () => {
    busy.value = true;
    try {
      await startJob(ask.kind, db, ask.partition);
      onStarted();
      onClose();
    } catch (error) {
      problem.value = (error as Error).message;
      busy.value = false;
    }
  };
  return (
    <Dialog title={build ? "Build metric file" : "Compact"} onClose={onClose}>
      <div class="form">
        <p>
          {build
            ? `Rewrites ${what} metric by metric: smaller, and faster to query. The raw files are handled as [metrics] raw_ingest_action says, once the new file was compared with them.`
            : `Merges the small pages of ${what}. The old file is kept until the new one is on the disk.`}
        </p>
        {problem.value && (
          <p class="bad" role="alert">
            {problem.value}
          </p>
        )}
        <div class="row">
          <Button kind="primary" disabled={busy.value} onClick={() => void go()}>
            {build ? "Build" : "Compact"}
          </Button>
          <Button onClick={onClose}>Cancel</Button>
        </div>
      </div>
    </Dialog>
  );
}
