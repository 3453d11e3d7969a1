/** Dragging by a handle with mouse, pen or finger, over a page that scrolls along at its edges. */

const EDGE = 72;
/** Pixels that the pointer must go on before it is asked again: cards that change places come to lie under it. */
const REST = 24;

interface Drag {
  /** The pointer is over this card now; true when that changed something. */
  over: (id: string) => boolean;
  end: () => void;
}

function cardAt(x: number, y: number): string | null {
  return document.elementFromPoint(x, y)?.closest<HTMLElement>("[data-card]")?.dataset.card ?? null;
}

export function startDrag(event: PointerEvent, { over, end }: Drag): void {
  if (event.button !== 0) return;
  event.preventDefault();
  const { pointerId } = event;
  let [x, y] = [event.clientX, event.clientY];
  /** Where the last change was, in the page. */
  let at: [number, number] | null = null;
  let frame = 0;
  const step = () => {
    if (y < EDGE) scrollBy(0, -12);
    else if (y > innerHeight - EDGE) scrollBy(0, 12);
    const far = !at || Math.hypot(x - at[0], y + scrollY - at[1]) > REST;
    const id = far ? cardAt(x, y) : null;
    if (id !== null && over(id)) at = [x, y + scrollY];
    frame = requestAnimationFrame(step);
  };
  // On the window: the handle itself changes its place in the document, which ends a capture.
  const moved = (next: PointerEvent) => {
    if (next.pointerId === pointerId) [x, y] = [next.clientX, next.clientY];
  };
  const ended = (next: PointerEvent) => {
    if (next.pointerId !== pointerId) return;
    cancelAnimationFrame(frame);
    removeEventListener("pointermove", moved);
    removeEventListener("pointerup", ended);
    removeEventListener("pointercancel", ended);
    end();
  };
  addEventListener("pointermove", moved);
  addEventListener("pointerup", ended);
  addEventListener("pointercancel", ended);
  frame = requestAnimationFrame(step);
}
