import { settings } from "../state/server-settings";

/** The address of a dashboard group. */
export function groupPath(id: string): string {
  return `${settings.base_path.replace(/\/$/, "")}/${encodeURIComponent(id)}`;
}
