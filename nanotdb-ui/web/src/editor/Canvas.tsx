/** The widgets of a group, in place: to choose, drag, resize. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { Button } from "../components/Button";
import { Icon } from "../components/Icon";
import type { FieldError } from "../api/types";
import { AUTO } from "../time/range";
import { type DashboardConfig, layoutOf } from "../widgets/config";
import { Widget } from "../widgets/Widget";
import { startDrag } from "./drag";
import { moveWidget, removeWidget, setWidget } from "./edits";
import { errorsUnder, pointerOf } from "./pointer";

interface Props {
  config: DashboardConfig;
  group: string;
  chosen: string | null;
  errors: FieldError[];
  onChoose: (id: string) => void;
  onEdit: (config: DashboardConfig, key?: string) => void;
}

function widgetsOf(config: DashboardConfig, group: string): string[] {
  return config.groups?.find(({ id }) => id === group)?.widgets ?? [];
}

export function Canvas({ config, group, chosen, errors, onChoose, onEdit }: Props) {
  const dragged = useSignal<string | null>(null);
  const spoken = useSignal("");
  /** A drag goes on while the document changes. */
  const latest = useRef(config);
  latest.current = config;
  const ids = widgetsOf(config, group);
  const list = ids.flatMap((id) => (config.widgets?.[id] ? [{ id, widget: config.widgets[id] }] : []));
  const move = (id: string, to: number) => {
    onEdit(moveWidget(config, group, id, to));
    spoken.value = `Place ${Math.max(1, Math.min(ids.length, to + 1))} of ${ids.length}`;
  };
  const resize = (id: string, w: number, h: number, key?: string) => {
    const present = latest.current;
    const widget = present.widgets?.[id];
    if (!widget) return;
    const clamp = (n: number) => Math.max(1, Math.min(4, n));
    const layout = { ...widget.layout, w: clamp(w), h: clamp(h) };
    const now = layoutOf(widget);
    if (layout.w === now.w && layout.h === now.h) return;
    onEdit(setWidget(present, id, { ...widget, layout }), key);
    spoken.value = `${layout.w} columns, ${layout.h} rows`;
  };
  const startMove = (event: PointerEvent, id: string) => {
    const key = `drag/${id}/${Date.now()}`;
    (event.currentTarget as HTMLElement).focus();
    dragged.value = id;
    startDrag(event, {
      over: (target) => {
        const present = latest.current;
        const to = widgetsOf(present, group).indexOf(target);
        if (target === id || to < 0) return false;
        onEdit(moveWidget(present, group, id, to), key);
        return true;
      },
      end: () => (dragged.value = null),
    });
  };
  const startResize = (event: PointerEvent, id: string) => {
    const handle = event.currentTarget as HTMLElement;
    const card = handle.closest<HTMLElement>(".card");
    const widget = config.widgets?.[id];
    if (!card || !widget) return;
    event.preventDefault();
    handle.setPointerCapture(event.pointerId);
    const { w, h } = layoutOf(widget);
    const cell = { w: card.clientWidth / w, h: card.clientHeight / h };
    const [x, y] = [event.clientX, event.clientY];
    const key = `resize/${id}/${Date.now()}`;
    const moved = (next: PointerEvent) =>
      resize(id, w + Math.round((next.clientX - x) / cell.w), h + Math.round((next.clientY - y) / cell.h), key);
    const done = () => {
      handle.removeEventListener("pointermove", moved);
      handle.removeEventListener("pointerup", done);
      handle.removeEventListener("pointercancel", done);
    };
    handle.addEventListener("pointermove", moved);
    handle.addEventListener("pointerup", done);
    handle.addEventListener("pointercancel", done);
  };
  return (
    <>
      <p class="unseen" aria-live="polite">
        {spoken.value}
      </p>
      <div class="grid dashboard">
        {list.map(({ id, widget }, at) => {
          const { w, h } = layoutOf(widget);
          const name = widget.title ?? id;
          const bad = errorsUnder(errors, pointerOf("widgets", id)).length;
          return (
            <div
              key={id}
              class={`card w${w} h${h}${chosen === id ? " chosen" : ""}${dragged.value === id ? " dragged" : ""}`}
              data-card={id}
            >
              <div class="row tools">
                <button
                  type="button"
                  class="button square grip"
                  aria-label={`Move ${name}: drag, or arrow keys`}
                  title="Move: drag, or arrow keys"
                  onPointerDown={(event) => startMove(event, id)}
                  onKeyDown={(event) => {
                    const by = ["ArrowLeft", "ArrowUp"].includes(event.key) ? -1 : ["ArrowRight", "ArrowDown"].includes(event.key) ? 1 : 0;
                    if (by === 0) return;
                    event.preventDefault();
                    move(id, at + by);
                  }}
                >
                  <Icon name="grip" />
                </button>
                <Button icon="edit" label={`Edit ${name}`} pressed={chosen === id} onClick={() => onChoose(id)} />
                <Button icon="trash" label={`Remove ${name}`} onClick={() => onEdit(removeWidget(config, group, id))} />
                {bad > 0 && (
                  <span class="badge critical">
                    <Icon name="critical" />
                    {bad} {bad === 1 ? "error" : "errors"}
                  </span>
                )}
              </div>
              <Widget id={id} widget={widget} defaultDb={config.default_db ?? ""} range={AUTO} />
              <button
                type="button"
                class="resize"
                aria-label={`Size of ${name}: drag, or arrow keys`}
                title="Resize: drag, or arrow keys"
                onPointerDown={(event) => startResize(event, id)}
                onKeyDown={(event) => {
                  const dw = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
                  const dh = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
                  if (dw === 0 && dh === 0) return;
                  event.preventDefault();
                  resize(id, w + dw, h + dh);
                }}
              />
            </div>
          );
        })}
      </div>
    </>
  );
}
