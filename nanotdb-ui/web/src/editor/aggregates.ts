/** Names of the aggregates that the server has, those of plugins among them. */
import { signal } from "@preact/signals";
import { request } from "../api/client";

/** Until the server told. */
export const aggregates = signal<string[]>(["avg", "min", "max"]);

let asked = false;

export async function needAggregates(): Promise<void> {
  if (asked) return;
  asked = true;
  try {
    const { body } = await request<{ data: { result: string[] } }>("/api/v1/aggregates");
    aggregates.value = body.data.result;
  } catch {
    asked = false; // when the editor is opened again
  }
}
