import type { ComponentChildren } from "preact";
import { Icon, type IconName } from "./Icon";

const ICONS: Record<string, IconName> = { ok: "ok", warning: "warning", critical: "critical", stale: "clock", away: "offline", live: "live" };

/** A state in an icon, a word and a colour. */
export function Badge({ kind, children }: { kind: "ok" | "warning" | "critical" | "stale" | "away" | "live"; children: ComponentChildren }) {
  return (
    <span class={`badge ${kind}`}>
      <Icon name={ICONS[kind]} />
      {children}
    </span>
  );
}
