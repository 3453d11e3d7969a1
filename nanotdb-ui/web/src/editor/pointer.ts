/** JSON pointers (RFC 6901), as the server names the places of errors. */
import type { FieldError } from "../api/types";

export function parsePointer(pointer: string): string[] {
  if (pointer === "") return [];
  return pointer.split("/").slice(1).map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

export function pointerOf(...parts: (string | number)[]): string {
  return parts.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** The messages for exactly this place. */
export function errorsAt(errors: FieldError[], pointer: string): string[] {
  return errors.filter(({ path }) => path === pointer).map(({ message }) => message);
}

/** The errors at or below a place. */
export function errorsUnder(errors: FieldError[], pointer: string): FieldError[] {
  return errors.filter(({ path }) => path === pointer || path.startsWith(`${pointer}/`));
}

/** A place in words: widgets › cpu › series 1 › metric. */
export function describe(pointer: string): string {
  const parts = parsePointer(pointer);
  if (parts.length === 0) return "document";
  return parts.map((part) => (/^\d+$/.test(part) ? String(Number(part) + 1) : part)).join(" › ");
}

/** Line of a JSON text where the value at `pointer` stands, from 1; 1 when it is not found. Keys are taken in their order. */
export function lineOf(text: string, pointer: string): number {
  let from = 0;
  for (const part of parsePointer(pointer)) {
    if (/^\d+$/.test(part)) continue;
    const at = text.indexOf(`${JSON.stringify(part)}:`, from);
    if (at < 0) break;
    from = at;
  }
  return text.slice(0, from).split("\n").length;
}
