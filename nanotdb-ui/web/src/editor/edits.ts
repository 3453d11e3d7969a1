/** Changes of a dashboard document. Each gives a new document and keeps what it does not know. */
import type { DashboardConfig, GroupConfig, WidgetConfig } from "../widgets/config";

function withGroup(config: DashboardConfig, id: string, change: (group: GroupConfig) => GroupConfig): DashboardConfig {
  return { ...config, groups: (config.groups ?? []).map((group) => (group.id === id ? change(group) : group)) };
}

/** A name from free text, not used yet. */
function freeId(text: string, used: string[], fallback: string): string {
  const base = text.toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^_+|_+$/g, "") || fallback;
  if (!used.includes(base)) return base;
  for (let n = 2; ; n++) if (!used.includes(`${base}_${n}`)) return `${base}_${n}`;
}

export function newWidgetId(config: DashboardConfig, title: string): string {
  return freeId(title, Object.keys(config.widgets ?? {}), "widget");
}

/** Adds the widget at the end of the group, which is made when there is none of that name. */
export function addWidget(config: DashboardConfig, groupId: string, id: string, widget: WidgetConfig): DashboardConfig {
  const groups = config.groups ?? [];
  const known = groups.some((group) => group.id === groupId);
  const label = groupId.charAt(0).toUpperCase() + groupId.slice(1);
  const next: DashboardConfig = {
    ...config,
    groups: known ? groups : [...groups, { id: groupId, label, widgets: [] }],
    widgets: { ...config.widgets, [id]: widget },
  };
  return withGroup(next, groupId, (group) => ({ ...group, widgets: [...(group.widgets ?? []), id] }));
}

export function setWidget(config: DashboardConfig, id: string, widget: WidgetConfig): DashboardConfig {
  return { ...config, widgets: { ...config.widgets, [id]: widget } };
}

/** Takes the widget out of the group; it is dropped wholly when no other group shows it. */
export function removeWidget(config: DashboardConfig, groupId: string, id: string): DashboardConfig {
  const next = withGroup(config, groupId, (group) => ({ ...group, widgets: (group.widgets ?? []).filter((one) => one !== id) }));
  if (next.groups?.some((group) => group.widgets?.includes(id))) return next;
  const { [id]: _gone, ...widgets } = next.widgets ?? {};
  return { ...next, widgets };
}

/** Puts the widget at another place of its group. */
export function moveWidget(config: DashboardConfig, groupId: string, id: string, to: number): DashboardConfig {
  return withGroup(config, groupId, (group) => {
    const rest = (group.widgets ?? []).filter((one) => one !== id);
    rest.splice(Math.max(0, Math.min(rest.length, to)), 0, id);
    return { ...group, widgets: rest };
  });
}

export function addGroup(config: DashboardConfig, label: string): [DashboardConfig, string] {
  const id = freeId(label, ["edit", ...(config.groups ?? []).map((group) => group.id)], "group");
  return [{ ...config, groups: [...(config.groups ?? []), { id, label, widgets: [] }] }, id];
}

export function renameGroup(config: DashboardConfig, id: string, label: string): DashboardConfig {
  return withGroup(config, id, (group) => ({ ...group, label }));
}

/** Removes the group and the widgets that only it shows. */
export function removeGroup(config: DashboardConfig, id: string): DashboardConfig {
  const group = config.groups?.find((one) => one.id === id);
  const emptied = (group?.widgets ?? []).reduce((next, widget) => removeWidget(next, id, widget), config);
  return { ...emptied, groups: emptied.groups?.filter((one) => one.id !== id) };
}

export function moveGroup(config: DashboardConfig, id: string, by: number): DashboardConfig {
  const groups = [...(config.groups ?? [])];
  const at = groups.findIndex((group) => group.id === id);
  const [group] = groups.splice(at, 1);
  groups.splice(Math.max(0, Math.min(groups.length, at + by)), 0, group);
  return { ...config, groups };
}
