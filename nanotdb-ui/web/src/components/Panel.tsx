/** The frame of a chart or widget: title, state, actions, full screen. */
import type { ComponentChildren, RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { link } from "../state/connection";
import { query, setQuery } from "../state/router";
import { Badge } from "./Badge";
import { Button } from "./Button";
import { Icon } from "./Icon";
import { Menu, type MenuItem } from "./Menu";

export interface PanelStatus {
  loading: boolean;
  /** Nothing to show and why. */
  error: string | null;
  empty: boolean;
  /** What is said while it is empty. */
  why?: string;
  /** What can be done about it. */
  offer?: { label: string; act: () => void };
  warning: string | null;
}

interface Props {
  /** Unique on the page; names the panel in the address when it is full screen. */
  id: string;
  title: string;
  status: PanelStatus;
  badges?: ComponentChildren;
  actions?: MenuItem[];
  class?: string;
  /** Gets an element as wide as the content. */
  measure?: RefObject<HTMLDivElement | null>;
  style?: Record<string, string>;
  children: ComponentChildren;
}

/** Of a panel that has nothing to ask for. */
export const NOTHING_CHOSEN: PanelStatus = { loading: false, error: null, empty: true, why: "No metric is chosen yet.", warning: null };

function toggleFull(id: string | null): void {
  setQuery((params) => (id === null ? params.delete("panel") : params.set("panel", id)));
}

export function Panel({ id, title, status, badges, actions = [], class: extra = "", style, measure, children }: Props) {
  const full = query.value.get("panel") === id;
  const ref = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    if (!full) return;
    ref.current?.querySelector<HTMLElement>("header button")?.focus();
    document.body.classList.add("has-full");
    const keys = (event: KeyboardEvent) => {
      if (event.key === "Escape") toggleFull(null);
    };
    addEventListener("keydown", keys);
    return () => {
      removeEventListener("keydown", keys);
      document.body.classList.remove("has-full");
    };
  }, [full]);
  const away = link.value.state === "away";
  const items: MenuItem[] = full ? actions : [{ icon: "full", label: "Full screen", act: () => toggleFull(id) }, ...actions];
  return (
    <section ref={ref} class={`panel ${extra}${full ? " full" : ""}`} style={style} aria-label={title} aria-busy={status.loading}>
      <header class="row">
        <h2 title={title}>{title}</h2>
        {badges}
        {away && !status.error && <Badge kind="away">not updating</Badge>}
        {status.warning && (
          <span class="badge warning" title={status.warning}>
            <Icon name="warning" />
            incomplete
          </span>
        )}
        {status.loading && !status.empty && <span class="spinner" role="status" aria-label="Loading" />}
        {full && <Button icon="close" label="Leave full screen" onClick={() => toggleFull(null)} />}
        <Menu label={`Actions of ${title}`} items={items} />
      </header>
      {measure && <div ref={measure} class="measure" />}
      {status.error !== null ? (
        <div class="message bad" role="alert">
          <Icon name="critical" />
          <p>{status.error}</p>
        </div>
      ) : status.loading && status.empty ? (
        <div class="skeleton" role="status" aria-label={`${title} is loading`} />
      ) : status.empty ? (
        <div class="message">
          <Icon name="clock" />
          <p>{status.why ?? "No samples in this time."}</p>
          {status.offer && <Button onClick={status.offer.act}>{status.offer.label}</Button>}
        </div>
      ) : (
        children
      )}
    </section>
  );
}
