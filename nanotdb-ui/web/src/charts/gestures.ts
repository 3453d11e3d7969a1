/** Fingers and wheel on a chart: scrub with one finger, pinch and pan with two, wheel with Ctrl or Shift. */
import { panned, zoomed } from "../time/range";

export interface GestureHost {
  /** The stretch of time that is shown. */
  view: () => [number, number];
  /** Shows another stretch at once, with the data there is. */
  preview: (view: [number, number]) => void;
  /** The gesture ended: the data for what is shown is wanted. */
  commit: (view: [number, number]) => void;
  /** Crosshair at a position in pixels; null hides it. */
  cursor: (x: number | null) => void;
}

/** The stretch after two fingers moved from `a` to `b` (shares of the width): what was under a finger stays under it. */
export function pinched([from, to]: [number, number], a: [number, number], b: [number, number]): [number, number] {
  const span = to - from;
  const [a0, a1] = a[0] <= a[1] ? a : [a[1], a[0]];
  const [b0, b1] = b[0] <= b[1] ? b : [b[1], b[0]];
  const scale = Math.max(a1 - a0, 0.02) / Math.max(b1 - b0, 0.02);
  const centre = from + span * ((a0 + a1) / 2);
  const start = centre - span * scale * ((b0 + b1) / 2);
  return [start, start + span * scale];
}

export function attachGestures(over: HTMLElement, host: GestureHost): () => void {
  const fingers = new Map<number, number>();
  let begin: { view: [number, number]; at: [number, number] } | null = null;
  let current: [number, number] | null = null;
  let dragFrom: { x: number; view: [number, number] } | null = null;
  let wheelTimer: ReturnType<typeof setTimeout> | undefined;
  const share = (clientX: number) => {
    const { left, width } = over.getBoundingClientRect();
    return (clientX - left) / Math.max(1, width);
  };
  const pair = (): [number, number] => [...fingers.values()].slice(0, 2) as [number, number];
  const finish = () => {
    if (current) host.commit(current);
    current = null;
    begin = null;
    dragFrom = null;
  };
  const down = (event: PointerEvent) => {
    if (event.pointerType === "mouse") {
      if (!event.shiftKey || event.button !== 0) return;
      dragFrom = { x: share(event.clientX), view: host.view() };
      over.setPointerCapture(event.pointerId);
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    fingers.set(event.pointerId, share(event.clientX));
    if (fingers.size === 2) {
      begin = { view: host.view(), at: pair() };
      host.cursor(null);
    } else if (fingers.size === 1) host.cursor(event.clientX - over.getBoundingClientRect().left);
  };
  const move = (event: PointerEvent) => {
    if (dragFrom) {
      current = panned(dragFrom.view, dragFrom.x - share(event.clientX));
      host.preview(current);
      return;
    }
    if (!fingers.has(event.pointerId)) return;
    fingers.set(event.pointerId, share(event.clientX));
    if (begin && fingers.size >= 2) {
      current = pinched(begin.view, begin.at, pair());
      host.preview(current);
    } else if (fingers.size === 1) host.cursor(event.clientX - over.getBoundingClientRect().left);
  };
  const up = (event: PointerEvent) => {
    if (dragFrom || (fingers.delete(event.pointerId) && fingers.size < 2)) finish();
  };
  const wheel = (event: WheelEvent) => {
    if (!event.ctrlKey && !event.shiftKey) return;
    event.preventDefault();
    const view = current ?? host.view();
    const delta = event.deltaY || event.deltaX;
    if (event.ctrlKey) {
      const centre = view[0] + (view[1] - view[0]) * share(event.clientX);
      current = zoomed(view, Math.exp(Math.max(-100, Math.min(100, delta)) * 0.005), centre);
    } else current = panned(view, Math.sign(delta) * 0.1);
    host.preview(current);
    clearTimeout(wheelTimer);
    wheelTimer = setTimeout(finish, 250);
  };
  over.addEventListener("pointerdown", down, true);
  over.addEventListener("pointermove", move);
  over.addEventListener("pointerup", up);
  over.addEventListener("pointercancel", up);
  over.addEventListener("wheel", wheel, { passive: false });
  return () => {
    clearTimeout(wheelTimer);
    over.removeEventListener("pointerdown", down, true);
    over.removeEventListener("pointermove", move);
    over.removeEventListener("pointerup", up);
    over.removeEventListener("pointercancel", up);
    over.removeEventListener("wheel", wheel);
  };
}
