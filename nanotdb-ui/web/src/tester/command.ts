/** A request put together from a form: its address and the curl command that does the same. */
import type { Endpoint } from "../api/types";

export interface Built {
  method: string;
  /** Path with parameters. */
  url: string;
  headers: Record<string, string>;
  body: string | null;
}

export function buildRequest(endpoint: Endpoint, values: Record<string, string>, body: string): Built {
  const params = new URLSearchParams();
  const headers: Record<string, string> = {};
  let path = endpoint.path;
  for (const { name, in: place } of endpoint.params) {
    const value = values[name] ?? "";
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (value === "") continue;
    else if (place === "header") headers[name] = value;
    else params.append(name, value);
  }
  if (endpoint.body) headers["Content-Type"] = endpoint.body.content_type;
  const text = params.toString();
  return { method: endpoint.method, url: path + (text ? `?${text}` : ""), headers, body: endpoint.body ? body : null };
}

/** Quoted for a POSIX shell. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./?&-]+$/.test(text) && !/[&?]/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

export function curlOf({ method, url, headers, body }: Built, origin: string): string {
  const parts = ["curl"];
  if (method !== "GET" && !(method === "POST" && body !== null)) parts.push("-X", method);
  for (const [name, value] of Object.entries(headers)) parts.push("-H", quoted(`${name}: ${value}`));
  if (body !== null) parts.push("--data-binary", quoted(body));
  parts.push(quoted(origin + url));
  return parts.join(" ");
}

/** Names of required parameters that are empty. */
export function missing(endpoint: Endpoint, values: Record<string, string>): string[] {
  return endpoint.params.filter(({ name, required }) => required && !(values[name] ?? "")).map(({ name }) => name);
}
