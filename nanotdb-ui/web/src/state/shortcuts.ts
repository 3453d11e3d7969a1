/** Keys that work everywhere outside of text fields. */
import { signal } from "@preact/signals";
import { navigate } from "./router";
import { settings } from "./server-settings";
import { panBy, setRange, zoomBy } from "./time-range";
import { AUTO } from "../time/range";

export const shortcutsOpen = signal(false);

/** The list that `?` shows. */
export const SHORTCUTS: [string, string][] = [
  ["?", "this list"],
  ["g h", "Home"],
  ["g d", "Dashboard"],
  ["g e", "Explore"],
  ["g n", "Engine"],
  ["g a", "API tester"],
  ["[ ]", "earlier, later"],
  ["i o", "zoom in, zoom out"],
  ["l", "live: back to the newest"],
  ["Left, Right", "on a chart: crosshair; with Shift: earlier, later"],
  ["+ −", "on a chart: zoom at the crosshair"],
  ["Backspace", "on a chart: the range before"],
  ["0", "on a chart: live"],
  ["Esc", "leave full screen, close a dialog"],
  ["/", "search (Explore)"],
  ["Ctrl Z, Ctrl Shift Z", "undo, redo (editor)"],
  ["Ctrl S", "save (editor)"],
  ["Drag", "zoom; with Shift: move"],
  ["Ctrl wheel, pinch", "zoom; Shift wheel: move"],
];

let pending = false;

export function installShortcuts(): void {
  addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (target.closest("input, select, textarea, dialog, [contenteditable]")) return;
    const goes: Record<string, string> = {
      h: "/",
      d: settings.base_path,
      e: settings.explore_path,
      n: settings.engine_path,
      a: "/api-tester",
    };
    if (pending && goes[event.key]) navigate(goes[event.key]);
    else if (event.key === "?") shortcutsOpen.value = true;
    else if (event.key === "[") panBy(-0.5);
    else if (event.key === "]") panBy(0.5);
    else if (event.key === "i") zoomBy(0.5);
    else if (event.key === "o") zoomBy(2);
    else if (event.key === "l") setRange(AUTO);
    else if (event.key === "/") {
      const search = document.querySelector<HTMLInputElement>("input[type=search]");
      if (!search) return;
      search.focus();
    } else {
      pending = event.key === "g";
      return;
    }
    pending = false;
    event.preventDefault();
  });
}
