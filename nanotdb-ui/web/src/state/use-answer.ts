/** An answer of the server for a component, got again now and then while it is seen. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { link } from "./connection";

export interface Loading<T> {
  value: T | null;
  error: string | null;
  reload: () => void;
}

/** `everyMs` 0: only once. What was got stays shown when a later attempt fails; the error then stands beside it. */
export function useAnswer<T>(get: () => Promise<T>, key: string, everyMs = 0): Loading<T> {
  const value = useSignal<T | null>(null);
  const error = useSignal<string | null>(null);
  const count = useSignal(0);
  const back = link.value.state !== "away";
  useEffect(() => {
    value.value = null;
  }, [key]);
  useEffect(() => {
    let here = true;
    const load = async () => {
      if (document.hidden) return;
      try {
        const answer = await get();
        if (!here) return;
        value.value = answer;
        error.value = null;
      } catch (failure) {
        if (here) error.value = (failure as Error).message;
      }
    };
    void load();
    const timer = everyMs > 0 ? setInterval(load, everyMs) : undefined;
    return () => {
      here = false;
      clearInterval(timer);
    };
  }, [key, count.value, back]);
  return { value: value.value, error: error.value, reload: () => (count.value += 1) };
}
