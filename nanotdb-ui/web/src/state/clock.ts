/** The time of the server, ticking once a second while the page is seen. */
import { signal } from "@preact/signals";

let skew = 0;

/** Server time now; the browser's clock may be wrong. */
export function serverNow(): number {
  return Date.now() + skew;
}

export const now = signal(Date.now());

/** Takes the server's clock from an answer; small differences are the way there. */
export function setServerTime(ms: number): void {
  const difference = ms - Date.now();
  if (Math.abs(difference - skew) > 500) skew = difference;
  now.value = serverNow();
}

setInterval(() => {
  if (!document.hidden) now.value = serverNow();
}, 1000);
