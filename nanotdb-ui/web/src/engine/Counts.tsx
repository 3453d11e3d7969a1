import { useSignal } from "@preact/signals";
import type { EngineAnswer } from "../api/types";
import { Button } from "../components/Button";
import { grouped } from "../scale/number";
import { formatSeconds } from "../scale/units";
import { bytes } from "./Overview";

function counted(value: number, unit: string): string {
  if (unit === "bytes") return bytes(value);
  if (unit === "microseconds") return formatSeconds(value / 1e6);
  return unit === "" ? grouped(value) : `${grouped(value)} ${unit}`;
}

/** What the engine counts; what never happened only on request. */
export function Counts({ counters }: { counters: EngineAnswer["counters"] }) {
  const all = useSignal(false);
  const some = counters.filter(({ value }) => value > 0);
  const shown = all.value ? counters : some;
  return (
    <section class="panel" aria-label="Counts since the start">
      <header class="row wrap">
        <h2>Counts since the start</h2>
        {some.length < counters.length && (
          <Button pressed={all.value} onClick={() => (all.value = !all.value)}>
            {all.value ? "Without zeros" : `All ${counters.length}`}
          </Button>
        )}
      </header>
      <dl class="counts">
        {shown.map(({ name, value, unit }) => (
          <div key={name} class="row spread">
            <dt>{name}</dt>
            <dd class={value === 0 ? "quiet" : undefined}>{counted(value, unit)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
