/** The address bar as signals: everything a page shows can be linked to. */
import { signal } from "@preact/signals";

export const path = signal(location.pathname);
export const query = signal(new URLSearchParams(location.search));

/** Whether the entry of the history before this one is this page too, with other parameters. */
export const stepped = signal(isStep());

function isStep(): boolean {
  return (history.state as { step?: boolean } | null)?.step === true;
}

type Guard = () => boolean;
let guard: Guard | null = null;

/** Asked before the page is left; false keeps the user here. */
export function setGuard(next: Guard | null): void {
  guard = next;
}

let shown = location.pathname + location.search;

function sync(): void {
  path.value = location.pathname;
  query.value = new URLSearchParams(location.search);
  shown = location.pathname + location.search;
  stepped.value = isStep();
}

addEventListener("popstate", () => {
  if (location.pathname !== path.value && guard && !guard()) {
    history.pushState(null, "", shown);
    return;
  }
  sync();
});

export function navigate(to: string, options: { replace?: boolean } = {}): void {
  const target = new URL(to, location.href);
  if (target.pathname !== location.pathname && guard && !guard()) return;
  if (target.href === location.href) return;
  const moved = target.pathname !== path.value;
  if (options.replace) history.replaceState(history.state, "", target);
  else history.pushState({ step: !moved }, "", target);
  sync();
  if (moved) scrollTo(0, 0);
}

/** Changes parameters of the address of this page. */
export function setQuery(change: (params: URLSearchParams) => void, options: { replace?: boolean } = {}): void {
  const params = new URLSearchParams(query.value);
  change(params);
  const text = params.toString();
  navigate(path.value + (text ? `?${text}` : ""), options);
}
