/** Fields of the editor's forms, each with the errors of its place in the document. */
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import type { FieldError } from "../api/types";
import { Icon } from "../components/Icon";
import { errorsAt } from "./pointer";

interface Common {
  label: string;
  path: string;
  errors: FieldError[];
}

function Errors({ id, list }: { id: string; list: string[] }) {
  return (
    <span id={id} class="field-error">
      {list.length > 0 && <Icon name="warning" />}
      {list.join("; ")}
    </span>
  );
}

interface TextProps extends Common {
  value: string | number | undefined;
  onChange: (value: string) => void;
  type?: "text" | "number";
  placeholder?: string;
  list?: string;
}

export function TextField({ label, path, errors, value, onChange, type = "text", placeholder, list }: TextProps) {
  const id = useId();
  const own = errorsAt(errors, path);
  return (
    <label>
      {label}
      <input
        type={type}
        step="any"
        value={value ?? ""}
        placeholder={placeholder}
        list={list}
        aria-invalid={own.length > 0}
        aria-describedby={own.length > 0 ? id : undefined}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
      <Errors id={id} list={own} />
    </label>
  );
}

interface SelectProps extends Common {
  value: string;
  options: [string, string][];
  onChange: (value: string) => void;
  children?: ComponentChildren;
}

export function SelectField({ label, path, errors, value, options, onChange }: SelectProps) {
  const id = useId();
  const own = errorsAt(errors, path);
  return (
    <label>
      {label}
      <select value={value} aria-invalid={own.length > 0} aria-describedby={own.length > 0 ? id : undefined} onChange={(event) => onChange(event.currentTarget.value)}>
        {!options.some(([name]) => name === value) && <option value={value}>{value || "–"}</option>}
        {options.map(([name, text]) => (
          <option key={name} value={name}>
            {text}
          </option>
        ))}
      </select>
      <Errors id={id} list={own} />
    </label>
  );
}
