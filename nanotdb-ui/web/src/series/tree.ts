/** Metric names as a tree of their parts. */
export interface Tree {
  /** The part of the name; children are sorted. */
  name: string;
  /** Full name when the node is a metric. */
  metric: string | null;
  children: Tree[];
  count: number;
}

const NUMERIC = new Intl.Collator("en", { numeric: true });
/** room2 before room10, and what is below a name before longer names. */
const byName = (a: string, b: string) => NUMERIC.compare(a.replace(/[./]/g, " "), b.replace(/[./]/g, " "));

export function treeOf(metrics: string[]): Tree {
  const root: Tree = { name: "", metric: null, children: [], count: 0 };
  const nodes = new Map<string, Tree>([["", root]]);
  for (const metric of [...metrics].sort(byName)) {
    const parts = metric.split(/(?<=[./])/);
    let key = "";
    let node = root;
    root.count += 1;
    parts.forEach((part, i) => {
      key += part;
      let next = nodes.get(key);
      if (!next) {
        next = { name: part, metric: null, children: [], count: 0 };
        nodes.set(key, next);
        node.children.push(next);
      }
      next.count += 1;
      if (i === parts.length - 1) next.metric = metric;
      node = next;
    });
  }
  return collapse(root);
}

/** Nodes with one child and no metric of their own become one: `disk.` + `mmcblk0.` is `disk.mmcblk0.`. */
function collapse(node: Tree): Tree {
  const children = node.children.map(collapse).map((child) =>
    child.metric === null && child.children.length === 1
      ? { ...child.children[0], name: child.name + child.children[0].name }
      : child,
  );
  return { ...node, children };
}
