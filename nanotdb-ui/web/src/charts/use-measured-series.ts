/** Series for an element, in as many buckets as it is wide. */
import { type Signal, useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { SeriesState } from "../state/feed";
import { useSeries } from "../state/use-series";
import type { LineSpec } from "./ChartPanel";
import { queriesOf, type Stretch } from "./queries";

/** Columns to ask for: one per pixel, in steps, so that a small change of the width asks for nothing. */
function bucketsFor(width: number): number {
  return Math.min(2000, Math.max(400, Math.ceil(width / 200) * 200));
}

/** The series of `specs` in as many buckets as `ref` is wide; asked for anew when it becomes wider or narrower. */
export function useMeasuredSeries(ref: RefObject<HTMLElement | null>, specs: LineSpec[], span: Stretch): Signal<SeriesState>[] {
  // How often the number of buckets changed after the first measure, which happens before anything is asked for and needs no
  // drawing anew. In a dialog that is not open yet there is no width at that time.
  const changes = useSignal(0);
  const most = useRef(0);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const measure = () => (element.clientWidth > 0 ? bucketsFor(element.clientWidth) : most.current);
    most.current = measure();
    const sized = new ResizeObserver(() => {
      const before = most.current;
      most.current = measure();
      if (before !== most.current) changes.value += 1;
    });
    sized.observe(element);
    return () => sized.disconnect();
  }, []);
  return useSeries(() => (most.current > 0 ? queriesOf(specs, span, most.current) : null), JSON.stringify([specs, span, changes.value]));
}
