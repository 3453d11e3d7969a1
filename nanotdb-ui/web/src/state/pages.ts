/** Which page an address is, by the paths the server is set to. */
import type { SettingsAnswer } from "../api/types";

export type PageName = "home" | "dashboard" | "edit" | "explore" | "engine" | "api" | "unknown";

type Paths = Pick<SettingsAnswer, "base_path" | "explore_path" | "engine_path">;

const trimmed = (path: string) => path.replace(/\/+$/, "") || "/";

export function pageOf(path: string, paths: Paths): PageName {
  const here = trimmed(path);
  const base = trimmed(paths.base_path);
  if (here === trimmed(paths.explore_path)) return "explore";
  if (here === trimmed(paths.engine_path) || here.startsWith(`${trimmed(paths.engine_path)}/`)) return "engine";
  if (here === "/api-tester") return "api";
  if (here === `${base === "/" ? "" : base}/edit`) return "edit";
  if (here === base || (base !== "/" && here.startsWith(`${base}/`))) return "dashboard";
  return here === "/" ? "home" : "unknown";
}

/** The group of a dashboard address, null for the first. */
export function groupOf(path: string, paths: Paths): string | null {
  const rest = trimmed(path).slice(trimmed(paths.base_path).length).replace(/^\//, "");
  try {
    return rest === "" ? null : decodeURIComponent(rest);
  } catch {
    return rest; // a % that is none of an escape
  }
}
