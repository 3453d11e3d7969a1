/** What this browser prefers: theme, clock, time zone, units. Kept in localStorage. */
import { computed, effect, signal } from "@preact/signals";
import type { UnitStyle } from "../scale/units";
import type { ClockStyle } from "../time/format";
import { browserZone } from "../time/zone";
import { printing } from "./printing";

export interface Prefs {
  theme: "auto" | "dark" | "light";
  hours: "auto" | "12" | "24";
  /** IANA name; empty is the browser's. */
  zone: string;
  bytes: "binary" | "decimal";
  temperature: "celsius" | "fahrenheit";
  rawUnits: boolean;
}

const KEY = "nanotdb.prefs";
const DEFAULTS: Prefs = {
  theme: "auto",
  hours: "auto",
  zone: "",
  bytes: "binary",
  temperature: "celsius",
  rawUnits: false,
};

function load(): Prefs {
  try {
    return { ...DEFAULTS, ...(JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Prefs>) };
  } catch {
    return DEFAULTS; // storage may be forbidden
  }
}

export const prefs = signal<Prefs>(load());

export function setPref<K extends keyof Prefs>(key: K, value: Prefs[K]): void {
  prefs.value = { ...prefs.value, [key]: value };
  try {
    localStorage.setItem(KEY, JSON.stringify(prefs.value));
  } catch {
    // then it holds for this page only
  }
}

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const dark = signal(systemDark.matches);
systemDark.addEventListener("change", (event) => (dark.value = event.matches));

export const theme = computed<"dark" | "light">(() => {
  if (printing.value) return "light";
  const { theme: wanted } = prefs.value;
  return wanted === "auto" ? (dark.value ? "dark" : "light") : wanted;
});

effect(() => {
  document.documentElement.dataset.theme = theme.value;
});

function localeHour12(): boolean {
  return new Intl.DateTimeFormat(undefined, { hour: "numeric" }).resolvedOptions().hour12 ?? false;
}

export const clockStyle = computed<ClockStyle>(() => ({
  zone: prefs.value.zone || browserZone(),
  hour12: prefs.value.hours === "auto" ? localeHour12() : prefs.value.hours === "12",
}));

export const unitStyle = computed<UnitStyle>(() => ({
  bytes: prefs.value.bytes,
  temperature: prefs.value.temperature,
  raw: prefs.value.rawUnits,
}));

export const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)").matches;
