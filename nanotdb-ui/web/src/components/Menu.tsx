import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { Button } from "./Button";
import { Icon, type IconName } from "./Icon";

export interface MenuItem {
  icon: IconName;
  label: string;
  act: () => void;
}

/** A button that opens a short list of actions. Escape and a click elsewhere close it. */
export function Menu({ label, items }: { label: string; items: MenuItem[] }) {
  const open = useSignal(false);
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (!open.value) return;
    ref.current?.querySelector<HTMLElement>("li button")?.focus();
    const outside = (event: Event) => {
      if (!ref.current?.contains(event.target as Node)) open.value = false;
    };
    addEventListener("pointerdown", outside);
    addEventListener("focusin", outside);
    return () => {
      removeEventListener("pointerdown", outside);
      removeEventListener("focusin", outside);
    };
  }, [open.value]);
  const close = () => {
    open.value = false;
    ref.current?.querySelector<HTMLElement>("button")?.focus();
  };
  const keys = (event: KeyboardEvent) => {
    if (!open.value) return;
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
    }
    const buttons = [...(ref.current?.querySelectorAll<HTMLElement>("li button") ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLElement);
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (by !== 0) {
      event.preventDefault();
      buttons[(at + by + buttons.length) % buttons.length]?.focus();
    }
  };
  return (
    <div class="menu" ref={ref} onKeyDown={keys}>
      <Button icon="menu" label={label} expanded={open.value} onClick={() => (open.value = !open.value)} />
      {open.value && (
        <ul>
          {items.map((item) => (
            <li key={item.label}>
              <button
                type="button"
                onClick={() => {
                  close();
                  item.act();
                }}
              >
                <Icon name={item.icon} />
                {item.label}
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
