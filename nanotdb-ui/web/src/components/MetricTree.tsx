/** All metrics to choose from: a tree, or a list ordered by how well it fits what was typed. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { allMetrics, catalog, type MetricInfo } from "../state/catalog";
import { unitStyle } from "../state/prefs";
import { settings } from "../state/server-settings";
import { displayOf, formatShown, shown } from "../scale/units";
import { grouped } from "../scale/number";
import { finder } from "../series/fuzzy";
import { level, type Node } from "../series/tree";
import { Icon } from "./Icon";
import { Link } from "./Link";
import { VirtualList } from "./VirtualList";

interface Props {
  chosen: Set<string>;
  /** `db/metric`. */
  onToggle: (name: string) => void;
  internal: boolean;
}

/** With more names than these, it is searched once typing pauses for a moment. */
const MANY = 5000;
const PAUSE_MS = 100;

interface Row {
  node: Node;
  depth: number;
  path: string;
}

export function MetricTree({ chosen, onToggle, internal }: Props) {
  const typed = useSignal("");
  const search = useSignal("");
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const byName = useMemo(
    () => new Map(allMetrics.value.filter((m) => internal || !m.internal).map((m) => [`${m.db}/${m.metric}`, m])),
    [allMetrics.value, internal],
  );
  const find = useMemo(() => finder([...byName.keys()]), [byName]);
  const found = useMemo(() => (search.value.trim() ? find(search.value) : null), [find, search.value]);
  const type = (value: string) => {
    typed.value = value;
    clearTimeout(timer.current);
    if (byName.size <= MANY || value === "") search.value = value;
    else timer.current = setTimeout(() => (search.value = value), PAUSE_MS);
  };
  const leaf = (name: string, label: string, depth: number) => (
    <Leaf info={byName.get(name)} label={label} depth={depth} chosen={chosen.has(name)} onToggle={() => onToggle(name)} />
  );
  const unreadable = (catalog.value?.databases ?? []).filter(({ state, metrics }) => state === "failed" && metrics.length === 0);
  return (
    <div class="metric-tree">
      <input
        type="search"
        placeholder="Search metrics"
        aria-label="Search metrics"
        value={typed.value}
        onInput={(event) => type(event.currentTarget.value)}
        onKeyDown={(event) => {
          const best = event.key === "Enter" && typed.value.trim() ? find(typed.value)[0] : undefined;
          if (best) onToggle(best);
          if (event.key === "Escape") type("");
        }}
      />
      <p class="unseen" role="status">
        {found ? `${found.length} metrics found` : `${byName.size} metrics`}
      </p>
      {unreadable.map(({ name, reason }) => (
        <p key={name} class="bad row" title={reason ?? ""}>
          <Icon name="critical" />
          <span>
            <Link href={`${settings.engine_path}?db=${encodeURIComponent(name)}`}>{name}</Link> cannot be read
          </span>
        </p>
      ))}
      {found ? (
        found.length === 0 ? (
          <p class="quiet">No metric has these letters.</p>
        ) : (
          <VirtualList label="Metrics" of={search.value} count={found.length} row={(i) => ({ key: found[i], content: leaf(found[i], found[i], 0) })} />
        )
      ) : (
        <Tree names={byName} chosen={chosen} leaf={leaf} />
      )}
    </div>
  );
}

interface TreeProps {
  names: Map<string, MetricInfo>;
  chosen: Set<string>;
  leaf: (name: string, label: string, depth: number) => preact.JSX.Element;
}

/** Only what is open is laid out, and only what is in sight of it is drawn. */
function Tree({ names, chosen, leaf }: TreeProps) {
  /** What was opened (true) and closed (false) by hand; the rest is open where something below it is chosen. */
  const opened = useSignal(new Map<string, boolean>());
  const levels = useMemo(() => new Map<string, Node[]>([["", level([...names.keys()], 0)]]), [names]);
  const top = levels.get("") ?? [];
  const picked = [...chosen];
  const isOpen = (path: string, depth: number) =>
    opened.value.get(path) ?? ((depth === 0 && top.length === 1) || picked.some((name) => name.startsWith(path)));
  const rows: Row[] = [];
  const lay = (nodes: Node[], depth: number, above: string) => {
    for (const node of nodes) {
      const path = above + node.name;
      if (node.metric !== null) rows.push({ node: { ...node, below: [] }, depth, path });
      if (node.below.length === 0) continue;
      rows.push({ node: { ...node, metric: null }, depth, path });
      if (!isOpen(path, depth)) continue;
      let next = levels.get(path);
      if (!next) levels.set(path, (next = level(node.below, node.from)));
      lay(next, depth + 1, path);
    }
  };
  lay(top, 0, "");
  return (
    <VirtualList
      label="Metrics"
      of=""
      count={rows.length}
      row={(i) => {
        const { node, depth, path } = rows[i];
        if (node.metric !== null) return { key: path, content: leaf(node.metric, node.name, depth) };
        const open = isOpen(path, depth);
        const turn = () => (opened.value = new Map(opened.value).set(path, !open));
        return {
          key: `${path}*`,
          content: (
            <button type="button" class="branch" aria-expanded={open} style={{ paddingLeft: `${depth * 16}px` }} title={path} onClick={turn}>
              <Icon name={open ? "down" : "forward"} />
              <span class="name">{node.name.replace(/[./]$/, "")}</span> <span class="quiet">{grouped(node.below.length)}</span>
            </button>
          ),
        };
      }}
    />
  );
}

function Leaf({ info, label, depth, chosen, onToggle }: { info: MetricInfo | undefined; label: string; depth: number; chosen: boolean; onToggle: () => void }) {
  const style = unitStyle.value;
  const display = displayOf(info?.metric ?? label, false, style);
  const last = info?.last ?? null;
  return (
    <label class="check" style={{ paddingLeft: `${depth * 16}px` }} title={info ? `${info.db}/${info.metric}` : label}>
      <input type="checkbox" checked={chosen} onChange={onToggle} />
      <span class="name">{label}</span>
      <span class="quiet">{formatShown(last === null ? null : shown(last, display), display, style, 3)}</span>
    </label>
  );
}
