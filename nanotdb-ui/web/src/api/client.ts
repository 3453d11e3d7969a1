/** Requests to the server: one way in, one kind of error out. */
import { settings } from "../state/server-settings";

/** What went wrong, for people. `away`: the server could not be reached at all. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly body: unknown = null,
    readonly etag: string | null = null,
  ) {
    super(message);
  }

  get away(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 504;
  }
}

export interface Answer<T> {
  body: T;
  etag: string | null;
}

export interface Options {
  method?: string;
  json?: unknown;
  text?: string;
  contentType?: string;
  ifMatch?: string | null;
  timeoutMs?: number;
}

export function apiUrl(path: string): string {
  return settings.api_base_url.replace(/\/$/, "") + path;
}

function messageOf(body: unknown, status: number): string {
  if (body !== null && typeof body === "object") {
    const { error, errors } = body as { error?: unknown; errors?: unknown };
    if (typeof error === "string") return error;
    if (Array.isArray(errors) && errors.length > 0) return errors.join("\n");
  }
  if (typeof body === "string" && body.length > 0 && body.length < 300) return body;
  return `the server answered ${status}`;
}

export async function request<T>(path: string, options: Options = {}): Promise<Answer<T>> {
  // Without headers of its own a GET takes the answer that the page's Link header had fetched ahead.
  const headers: Record<string, string> = {};
  let body: string | undefined = options.text;
  if (options.json !== undefined) body = JSON.stringify(options.json);
  if (body !== undefined) headers["Content-Type"] = options.contentType ?? "application/json";
  if (options.ifMatch) headers["If-Match"] = options.ifMatch;
  let response: Response;
  let text: string;
  try {
    response = await fetch(apiUrl(path), {
      method: options.method ?? (body === undefined ? "GET" : "POST"),
      headers,
      body,
      signal: AbortSignal.timeout(options.timeoutMs ?? 60_000),
    });
    text = await response.text();
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError";
    throw new ApiError(late ? "the server took too long to answer" : "the server cannot be reached", 0);
  }
  const etag = response.headers.get("ETag");
  let parsed: unknown = text;
  try {
    parsed = JSON.parse(text);
  } catch {
    if (response.ok) throw new ApiError("the answer is not JSON", response.status, text);
  }
  if (!response.ok) throw new ApiError(messageOf(parsed, response.status), response.status, parsed, etag);
  return { body: parsed as T, etag };
}
