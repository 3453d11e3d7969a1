/** All metrics to choose from: a tree, or a list ordered by how well it fits what was typed. */
import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { allMetrics, type MetricInfo } from "../state/catalog";
import { unitStyle } from "../state/prefs";
import { displayOf, formatShown, shown } from "../scale/units";
import { fuzzyScore } from "../series/fuzzy";
import { type Tree, treeOf } from "../series/tree";

interface Props {
  chosen: Set<string>;
  /** `db/metric`. */
  onToggle: (name: string) => void;
  internal: boolean;
}

const MOST = 200;

export function MetricTree({ chosen, onToggle, internal }: Props) {
  const search = useSignal("");
  const metrics = useMemo(() => allMetrics.value.filter((m) => internal || !m.internal), [allMetrics.value, internal]);
  const byName = useMemo(() => new Map(metrics.map((m) => [`${m.db}/${m.metric}`, m])), [metrics]);
  const tree = useMemo(() => treeOf([...byName.keys()]), [byName]);
  const found = useMemo(() => {
    if (!search.value.trim()) return null;
    return [...byName.keys()]
      .flatMap((name) => {
        const score = fuzzyScore(name, search.value);
        return score === null ? [] : [{ name, score }];
      })
      .sort((a, b) => b.score - a.score || a.name.localeCompare(b.name));
  }, [byName, search.value]);
  const leaf = (name: string, label: string) => (
    <Leaf key={name} info={byName.get(name)} label={label} chosen={chosen.has(name)} onToggle={() => onToggle(name)} />
  );
  return (
    <div class="metric-tree">
      <input
        type="search"
        placeholder="Search metrics"
        aria-label="Search metrics"
        value={search.value}
        onInput={(event) => (search.value = event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && found?.[0]) onToggle(found[0].name);
          if (event.key === "Escape") search.value = "";
        }}
      />
      <p class="unseen" role="status">
        {found ? `${found.length} metrics found` : `${byName.size} metrics`}
      </p>
      <div class="scroll" tabIndex={0} role="region" aria-label="Metrics">
        {found ? (
          <ul>
            {found.slice(0, MOST).map(({ name }) => leaf(name, name))}
            {found.length === 0 && <li class="quiet">No metric has these letters.</li>}
            {found.length > MOST && <li class="quiet">{found.length - MOST} more: type more letters.</li>}
          </ul>
        ) : (
          <Branch node={tree} depth={0} leaf={leaf} chosen={chosen} path="" />
        )}
      </div>
    </div>
  );
}

interface BranchProps {
  node: Tree;
  depth: number;
  path: string;
  chosen: Set<string>;
  leaf: (name: string, label: string) => preact.JSX.Element;
}

function Branch({ node, depth, leaf, chosen, path }: BranchProps) {
  const few = node.children.length === 1 && depth === 0;
  return (
    <ul>
      {node.children.map((child) => {
        const here = path + child.name;
        return (
          <>
            {child.metric !== null && leaf(child.metric, child.name)}
            {child.children.length > 0 && (
              <li key={here}>
                <details open={few || [...chosen].some((name) => name.startsWith(here))}>
                  <summary>
                    {child.name.replace(/[./]$/, "")} <span class="quiet">{child.count}</span>
                  </summary>
                  <Branch node={child} depth={depth + 1} leaf={leaf} chosen={chosen} path={here} />
                </details>
              </li>
            )}
          </>
        );
      })}
    </ul>
  );
}

function Leaf({ info, label, chosen, onToggle }: { info: MetricInfo | undefined; label: string; chosen: boolean; onToggle: () => void }) {
  const style = unitStyle.value;
  const display = displayOf(info?.metric ?? label, false, style);
  const last = info?.last ?? null;
  return (
    <li>
      <label class="check">
        <input type="checkbox" checked={chosen} onChange={onToggle} />
        <span class="name">{label}</span>
        <span class="quiet">{formatShown(last === null ? null : shown(last, display), display, style, 3)}</span>
      </label>
    </li>
  );
}
