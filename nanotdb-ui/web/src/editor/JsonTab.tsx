/** The document as text. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { FieldError } from "../api/types";
import { Button } from "../components/Button";
import type { DashboardConfig } from "../widgets/config";
import { describe, lineOf } from "./pointer";

interface Props {
  config: DashboardConfig;
  errors: FieldError[];
  onEdit: (config: DashboardConfig, key?: string) => void;
}

export function JsonTab({ config, errors, onEdit }: Props) {
  const text = useSignal(JSON.stringify(config, null, 2));
  const problem = useSignal("");
  const area = useRef<HTMLTextAreaElement>(null);
  const mine = useRef(config);
  useEffect(() => {
    if (config === mine.current) return; // typed here
    mine.current = config;
    text.value = JSON.stringify(config, null, 2);
    problem.value = "";
  }, [config]);
  const take = (value: string) => {
    text.value = value;
    try {
      const parsed: unknown = JSON.parse(value);
      if (parsed === null || typeof parsed !== "object" || Array.isArray(parsed)) throw new Error("the document must be an object { … }");
      mine.current = parsed as DashboardConfig;
      problem.value = "";
      onEdit(mine.current, "json");
    } catch (error) {
      problem.value = (error as Error).message;
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
          aria-invalid={problem.value !== "" || errors.length > 0}
          onInput={(event) => take(event.currentTarget.value)}
        />
      </label>
      {problem.value && (
        <p class="field-error" role="alert">
          Not JSON yet: {problem.value}
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
