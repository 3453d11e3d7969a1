/** Information about the engine, and jobs. */
import { request } from "./client";
import type { DatabaseAnswer, EngineAnswer, Job } from "./types";

export async function getEngine(): Promise<EngineAnswer> {
  return (await request<EngineAnswer>("/api/v1/ui/engine")).body;
}

export async function getDatabase(name: string): Promise<DatabaseAnswer> {
  return (await request<DatabaseAnswer>(`/api/v1/ui/engine/${encodeURIComponent(name)}`)).body;
}

export async function getJobs(): Promise<Job[]> {
  return (await request<{ jobs: Job[] }>("/api/v1/ui/jobs")).body.jobs;
}

export async function startJob(kind: Job["kind"], db: string, partition: string | null): Promise<Job> {
  return (await request<Job>("/api/v1/ui/jobs", { json: { kind, db, partition } })).body;
}

export async function stopJob(id: string): Promise<Job> {
  return (await request<Job>(`/api/v1/ui/jobs/${encodeURIComponent(id)}`, { method: "DELETE" })).body;
}

/** What was mended has been seen; of all databases with null. */
export async function acknowledge(db: string | null): Promise<void> {
  await request("/api/v1/ui/acknowledge", { json: { db } });
}
