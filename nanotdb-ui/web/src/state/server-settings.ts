/** The `[web]` settings of the server, placed into index.html: no request is needed for them. */
import type { SettingsAnswer } from "../api/types";

const DEFAULTS: SettingsAnswer = {
  title: "NanoTDB",
  version: "",
  refresh_seconds: 10,
  base_path: "/dashboard",
  explore_path: "/explore",
  engine_path: "/engine",
  api_base_url: "",
  default_db: null,
  read_only: false,
  aggregates: ["avg", "min", "max", "count"].map((name) => ({ name, unit: name === "count" ? "count" : "value" })),
};

function read(): SettingsAnswer {
  const text = globalThis.document?.querySelector<HTMLMetaElement>("meta[name=nanotdb-settings]")?.content ?? "";
  try {
    return { ...DEFAULTS, ...(JSON.parse(text) as Partial<SettingsAnswer>) };
  } catch {
    return DEFAULTS; // `vite dev`, where no server fills the page in
  }
}

export const settings: SettingsAnswer = read();
