/** Metric names as a tree of their parts, one level at a time: a database may have 65,000. */
export interface Node {
  /** The part of the name. */
  name: string;
  /** Full name when the node is a metric. */
  metric: string | null;
  /** Names of the metrics below. */
  below: string[];
  /** Length of what all of them begin with. */
  from: number;
}

const NUMERIC = new Intl.Collator("en", { numeric: true });
const spaced = (name: string) => name.replace(/[./]/g, " ");

/** Where the part of a name that begins at `from` ends. */
function endOf(name: string, from: number): number {
  for (let at = from; at < name.length; at++) {
    const letter = name.charCodeAt(at);
    if (letter === 46 || letter === 47) return at + 1; // . and /
  }
  return name.length;
}

/**
 * What stands in `metrics`, which all begin alike up to `from`, at the next level: room2 before room10, and what is below a
 * name before longer names. Nodes with one child are one with it: `disk.` + `mmcblk0.` is `disk.mmcblk0.`.
 */
export function level(metrics: string[], from: number): Node[] {
  const groups = new Map<string, Node>();
  for (const metric of metrics) {
    const end = endOf(metric, from);
    const name = metric.slice(from, end);
    let node = groups.get(name);
    if (!node) groups.set(name, (node = { name, metric: null, below: [], from: end }));
    if (end === metric.length) node.metric = metric;
    else node.below.push(metric);
  }
  const sorted = [...groups.values()].map((node) => ({ node, key: spaced(node.name) })).sort((a, b) => NUMERIC.compare(a.key, b.key));
  return sorted.map(({ node }) => joined(node));
}

function joined(node: Node): Node {
  if (node.metric !== null || node.below.length === 0) return node;
  const [first] = node.below;
  const end = endOf(first, node.from);
  const part = first.slice(node.from, end);
  if (!node.below.every((metric) => metric.startsWith(part, node.from) && endOf(metric, node.from) === end)) return node;
  const name = node.name + part;
  if (end === first.length) return { name, metric: first, below: [], from: end };
  return joined({ name, metric: null, below: node.below, from: end });
}
