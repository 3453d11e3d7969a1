/** Whether the server answers. Every request and the stream report here. */
import { signal } from "@preact/signals";

export type Link = { state: "connecting" } | { state: "live" } | { state: "polling" } | { state: "away"; since: number };

export const link = signal<Link>({ state: "connecting" });

export function reportAway(): void {
  if (link.value.state !== "away") link.value = { state: "away", since: Date.now() };
}

export function reportLink(state: "live" | "polling"): void {
  if (link.value.state !== state) link.value = { state };
}
