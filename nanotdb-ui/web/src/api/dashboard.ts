/** dashboard.json on the server. */
import type { DashboardConfig } from "../widgets/config";
import { ApiError, type Answer, request } from "./client";
import type { Backup, FieldError } from "./types";

const PATH = "/api/dashboard-config";

export interface Saved {
  ok: true;
  config: DashboardConfig;
  backup_path: string | null;
  warnings?: FieldError[];
}

interface Refused {
  ok: false;
  details?: FieldError[];
  warnings?: FieldError[];
}

export function getDashboard(): Promise<Answer<DashboardConfig>> {
  return request(PATH);
}

export function putDashboard(config: DashboardConfig, ifMatch: string | null): Promise<Answer<Saved>> {
  return request(PATH, { method: "PUT", json: config, ifMatch });
}

export async function validateDashboard(config: DashboardConfig): Promise<{ errors: FieldError[]; warnings: FieldError[] }> {
  try {
    // `answer=200`: errors are what is asked for here, and no failed request in the browser's console.
    const { body } = await request<Saved | Refused>(`${PATH}/validate?answer=200`, { json: config });
    return { errors: body.ok ? [] : (body.details ?? []), warnings: body.warnings ?? [] };
  } catch (error) {
    return { errors: fieldErrors(error), warnings: [] };
  }
}

export async function listBackups(): Promise<Backup[]> {
  return (await request<{ backups: Backup[] }>(`${PATH}/backups`)).body.backups;
}

export async function getBackup(name: string): Promise<DashboardConfig> {
  return (await request<DashboardConfig>(`${PATH}/backups/${encodeURIComponent(name)}`)).body;
}

/** Makes a backup the document; what is replaced becomes a backup itself. */
export function restoreBackup(name: string, ifMatch: string | null): Promise<Answer<Saved>> {
  return request(`${PATH}/restore`, { json: { name }, ifMatch });
}

/** The errors of an answer with their places; what has no place belongs to the whole document. */
export function fieldErrors(error: unknown): FieldError[] {
  const details = error instanceof ApiError ? (error.body as { details?: FieldError[] } | null)?.details : undefined;
  return Array.isArray(details) && details.length > 0 ? details : [{ path: "", message: (error as Error).message }];
}
