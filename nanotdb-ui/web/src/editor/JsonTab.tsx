/** The document as text. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { FieldError } from "../api/types";
import { Button } from "../components/Button";
import type { DashboardConfig } from "../widgets/config";
import { describe, lineOf } from "./pointer";
import { draft } from "./state";

interface Props {
  config: DashboardConfig;
  errors: FieldError[];
  onEdit: (config: DashboardConfig, key?: string) => void;
}

function compact(text: string): string | null {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return null;
  }
}

export function JsonTab({ config, errors, onEdit }: Props) {
  const text = useSignal(draft.peek()?.text ?? JSON.stringify(config, null, 2));
  const problem = draft.value?.problem ?? "";
  const area = useRef<HTMLTextAreaElement>(null);
  const mine = useRef(config);
  useEffect(() => {
    if (config === mine.current) return; // typed here
    mine.current = config;
    text.value = JSON.stringify(config, null, 2);
  }, [config]);
  useEffect(() => {
    // Undone to the document that was there before.
    if (!draft.value && JSON.stringify(mine.current) !== compact(text.peek())) text.value = JSON.stringify(mine.current, null, 2);
  }, [draft.value]);
  const take = (value: string) => {
    text.value = value;
    try {
      const parsed: unknown = JSON.parse(value);
      if (parsed === null || typeof parsed !== "object" || Array.isArray(parsed)) throw new Error("the document must be an object { … }");
      mine.current = parsed as DashboardConfig;
      onEdit(mine.current, "json");
    } catch (error) {
      draft.value = { text: value, problem: (error as Error).message };
    }
  };
  const jump = (line: number) => {
    const lines = text.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, l) => sum + l.length + 1, 0);
    area.current?.focus();
    area.current?.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
    if (area.current) area.current.scrollTop = (line - 4) * 19.5;
  };
  return (
    <div class="json-tab">
      <label>
        <span class="unseen">dashboard.json</span>
        <textarea
          ref={area}
          rows={28}
          spellcheck={false}
          value={text.value}
          aria-invalid={problem !== "" || errors.length > 0}
          onInput={(event) => take(event.currentTarget.value)}
        />
      </label>
      {problem && (
        <p class="field-error" role="alert">
          Not JSON yet: {problem}
        </p>
      )}
      <ul>
        {errors.map(({ path, message }) => (
          <li key={path + message}>
            <Button icon="critical" onClick={() => jump(lineOf(text.value, path))}>
              {describe(path)}: {message}
            </Button>
          </li>
        ))}
      </ul>
    </div>
  );
}
