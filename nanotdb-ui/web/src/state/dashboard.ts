/** The dashboard document, shared by the page that shows it, the editor and Explore. */
import { effect, signal } from "@preact/signals";
import { getDashboard } from "../api/dashboard";
import { ApiError } from "../api/client";
import type { DashboardConfig } from "../widgets/config";
import { reportAway } from "./connection";
import { dashboardEtag } from "./feed";

export interface Loaded {
  config: DashboardConfig;
  etag: string | null;
}

export const dashboard = signal<Loaded | null>(null);
export const dashboardError = signal<string | null>(null);

let running: Promise<Loaded | null> | null = null;

/** Gets the document; calls while it is on its way share one request. */
export function loadDashboard(): Promise<Loaded | null> {
  running ??= load().finally(() => (running = null));
  return running;
}

async function load(): Promise<Loaded | null> {
  try {
    const { body, etag } = await getDashboard();
    dashboard.value = { config: body, etag };
    dashboardError.value = null;
  } catch (error) {
    if (error instanceof ApiError && error.away) reportAway();
    dashboardError.value = (error as Error).message;
  }
  return dashboard.value;
}

// Saved in another window: what is shown here follows.
effect(() => {
  const told = dashboardEtag.value;
  if (told !== null && dashboard.peek() && dashboard.peek()?.etag !== told) void loadDashboard();
});
