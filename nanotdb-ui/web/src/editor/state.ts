/** The document being edited: history, errors, saving. */
import { computed, effect, signal } from "@preact/signals";
import { type Answer, ApiError } from "../api/client";
import { fieldErrors, putDashboard, restoreBackup, type Saved, validateDashboard } from "../api/dashboard";
import type { FieldError } from "../api/types";
import { dashboard, loadDashboard } from "../state/dashboard";
import type { DashboardConfig } from "../widgets/config";
import { begin, change, type History, redo, undo } from "./history";
import { pointerOf } from "./pointer";

export const history = signal<History<DashboardConfig> | null>(null);
/** What is stored on the server, as the edit began, and its ETag. */
const base = signal<{ config: DashboardConfig; etag: string | null } | null>(null);
/** As the server told. */
const found = signal<FieldError[]>([]);
/** Widgets that were made a moment ago, and have no metrics because nobody chose any yet: no mistake, as long as nothing is saved. */
const fresh = signal<string[]>([]);
export const errors = computed(() => found.value.filter(({ path }) => !fresh.value.some((id) => path === pointerOf("widgets", id, "series"))));
export const warnings = signal<FieldError[]>([]);
export const saving = signal(false);
/** Someone else saved meanwhile. */
export const conflict = signal(false);
export const notice = signal<string | null>(null);

/** Text of the JSON tab that is no document yet, and why. It counts as a change, and cannot be saved. */
export const draft = signal<{ text: string; problem: string } | null>(null);

export const edited = computed(() => history.value?.present ?? null);
export const dirty = computed(
  () => history.value !== null && base.value !== null && (draft.value !== null || history.value.present !== base.value.config),
);

export async function open(): Promise<void> {
  if (dirty.peek()) return; // came back to an edit that goes on
  const loaded = await loadDashboard();
  if (loaded) start(loaded.config, loaded.etag);
}

function start(config: DashboardConfig, etag: string | null): void {
  base.value = { config, etag };
  history.value = begin(config);
  found.value = [];
  fresh.value = [];
  conflict.value = false;
  draft.value = null;
}

// Saved in another window: an edit that has not begun follows, one that has is told.
effect(() => {
  const loaded = dashboard.value;
  const known = base.peek();
  if (!loaded || !known || loaded.etag === known.etag || saving.peek()) return;
  if (dirty.peek()) notice.value = "Someone else saved this dashboard meanwhile. Saving yours will ask which to keep.";
  else start(loaded.config, loaded.etag);
});

let timer: ReturnType<typeof setTimeout> | undefined;
let checks = 0;

/** The server is the one source of rules; it is asked once typing pauses. */
function check(): void {
  clearTimeout(timer);
  const mine = ++checks;
  timer = setTimeout(async () => {
    const config = edited.peek();
    if (!config) return;
    const result = await validateDashboard(config);
    if (mine !== checks) return;
    found.value = result.errors;
    warnings.value = result.warnings;
  }, 400);
}

export function edit(next: DashboardConfig, key: string | null = null): void {
  if (!history.value) return;
  history.value = change(history.value, next, key);
  if (dashboard.peek()?.etag === base.peek()?.etag) notice.value = null;
  draft.value = null;
  check();
}

/** Adds what has no metrics yet. */
export function begun(next: DashboardConfig, id: string): void {
  fresh.value = [...fresh.value, id];
  edit(next);
}

export function step(back: boolean): void {
  if (!history.value) return;
  if (draft.value) {
    draft.value = null; // what was typed since the text was a document last
    return;
  }
  history.value = back ? undo(history.value) : redo(history.value);
  check();
}

/** `force`: over what someone else saved. */
export async function save(force = false): Promise<void> {
  const config = edited.peek();
  if (config && !draft.peek()) await store((ifMatch) => putDashboard(config, force ? null : ifMatch), () => config);
}

/** Makes a backup the document at once. What went wrong is the result where there is no document to show it beside. */
export async function restore(name: string): Promise<string | null> {
  await store((ifMatch) => restoreBackup(name, ifMatch), (saved) => saved.config);
  return history.peek() ? null : (errors.peek()[0]?.message ?? null);
}

/** `shown`: the document that is edited from then on. Undo goes on to work past it. */
async function store(send: (ifMatch: string | null) => Promise<Answer<Saved>>, shown: (saved: Saved) => DashboardConfig): Promise<void> {
  if (saving.peek()) return;
  saving.value = true;
  fresh.value = [];
  notice.value = null;
  try {
    const { body, etag } = await send(base.peek()?.etag ?? null);
    const config = shown(body);
    base.value = { config, etag };
    if (!history.value) history.value = begin(config);
    else if (history.value.present !== config) history.value = change(history.value, config, null);
    dashboard.value = { config: body.config, etag };
    found.value = [];
    warnings.value = [];
    conflict.value = false;
    notice.value = body.backup_path ? "Saved. The version before is among the backups." : "Saved.";
  } catch (error) {
    if (error instanceof ApiError && error.status === 412) conflict.value = true;
    else found.value = fieldErrors(error);
  } finally {
    saving.value = false;
  }
}

/** Drops the edit for what the server has. */
export async function discard(): Promise<void> {
  const loaded = await loadDashboard();
  if (loaded) start(loaded.config, loaded.etag);
}

/** A backup is opened as a change: seen first, then saved or undone. */
export function takeOver(config: DashboardConfig): void {
  edit(config);
}
