/** A list of any length of which only what is in sight is in the document. Rows are equally high. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

/** Rows beyond the edges, once it is moved or the keyboard is in it: what comes next is there. Before that there are none that are cut. */
const MORE = 8;

interface Props {
  label: string;
  count: number;
  row: (index: number) => { key: string; content: ComponentChildren };
  /** Another list: it begins at its top. */
  of: string;
  children?: ComponentChildren;
}

export function VirtualList({ label, count, row, of, children }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const seen = useSignal({ top: 0, height: 600 });
  const used = useSignal(false);
  const size = matchMedia("(pointer: coarse)").matches ? 44 : 36;
  useLayoutEffect(() => {
    const element = host.current;
    if (!element) return;
    const look = () => {
      const { scrollTop: top, clientHeight: height } = element;
      if (top > 0) used.value = true;
      // In steps: not every pixel makes the rows anew.
      const next = { top: Math.floor(top / size / 4) * 4 * size, height };
      if (next.top !== seen.peek().top || next.height !== seen.peek().height) seen.value = next;
    };
    look();
    element.addEventListener("scroll", look, { passive: true });
    const sized = new ResizeObserver(look);
    sized.observe(element);
    return () => {
      element.removeEventListener("scroll", look);
      sized.disconnect();
    };
  }, []);
  useLayoutEffect(() => {
    if (host.current) host.current.scrollTop = 0;
  }, [of]);
  const { top, height } = seen.value;
  const rests = top === 0 && !used.value;
  const first = Math.min(Math.max(0, Math.floor(top / size) - MORE), Math.max(0, count - 1));
  const last = Math.min(count, rests ? Math.max(1, Math.floor(height / size)) : Math.ceil((top + height) / size) + MORE + 4);
  const rows = [];
  for (let i = first; i < last; i++) {
    const { key, content } = row(i);
    rows.push(
      <li key={key} style={{ top: `${i * size}px`, height: `${size}px` }} aria-setsize={count} aria-posinset={i + 1}>
        {content}
      </li>,
    );
  }
  return (
    <div class="scroll" ref={host} tabIndex={0} role="region" aria-label={label} onFocusIn={() => (used.value = true)}>
      <ul class="virtual" style={{ height: `${count * size}px` }}>
        {rows}
      </ul>
      {children}
    </div>
  );
}
