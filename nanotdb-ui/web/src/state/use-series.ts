/** Series for a component, for as long as it is shown. */
import { useSignal, type Signal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";
import { type SeriesQuery, type SeriesState, want } from "./feed";

/**
 * The states of the queries that `get` gives, in their order. It is called again when `key` is another, after the layout is
 * known; null means that there is nothing to ask for yet. While new ones load (another range, another width) the old ones
 * stay, so that a chart never blinks.
 */
export function useSeries(get: () => SeriesQuery[] | null, key: string): Signal<SeriesState>[] {
  const held = useSignal<Signal<SeriesState>[]>([]);
  // Before the page is painted: the request is on its way meanwhile.
  useLayoutEffect(() => {
    const queries = get();
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
