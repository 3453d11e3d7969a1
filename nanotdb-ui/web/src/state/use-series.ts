/** Series for a component, for as long as it is shown. */
import { useSignal, type Signal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";
import { type SeriesQuery, type SeriesState, want } from "./feed";

/**
 * The states of `queries`, in their order. While new ones load (another range, another width) the old ones stay, so that a
 * chart never blinks; `queries` null means not yet known (the width of the panel).
 */
export function useSeries(queries: SeriesQuery[] | null): Signal<SeriesState>[] {
  const held = useSignal<Signal<SeriesState>[]>([]);
  const key = JSON.stringify(queries);
  // Before the page is painted: the request is on its way meanwhile.
  useLayoutEffect(() => {
    if (!queries) return;
    const wanted = want(queries);
    const states = wanted.map(([state]) => state);
    const ready = () => states.every((state) => !state.value.loading);
    let stop = () => {};
    if (held.peek().length !== states.length || held.peek().some((s) => !s.peek().series) || ready()) held.value = states;
    else {
      const unsubscribe = states.map((state) =>
        state.subscribe(() => {
          if (ready()) {
            held.value = states;
            stop();
          }
        }),
      );
      stop = () => unsubscribe.forEach((end) => end());
    }
    return () => {
      stop();
      for (const [, release] of wanted) release();
    };
  }, [key]);
  return held.value;
}
