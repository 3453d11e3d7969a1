import { Copyable } from "./Copyable";

/** Before the first sample: how to send one. The page turns into charts by itself. */
export function Waiting() {
  const origin = location.origin;
  const curl = `curl -X POST ${origin}/api/v1/import -d 'demo/room.temp 21.5'`;
  const loop = `while sleep 1; do curl -s ${origin}/api/v1/import -d "demo/load $(cut -d' ' -f1 /proc/loadavg)"; done`;
  const drip = `drip --server ${origin} --database host`;
  return (
    <div class="waiting">
      <h1>Waiting for data</h1>
      <p role="status">
        <span class="spinner" aria-hidden="true" /> This page shows charts as soon as the first sample is here.
      </p>
      <h2>One sample</h2>
      <Copyable text={curl} label="curl command" />
      <h2>The load of this machine, every second</h2>
      <Copyable text={loop} label="loop command" />
      <h2>Everything about this machine</h2>
      <Copyable text={drip} label="drip command" />
    </div>
  );
}
