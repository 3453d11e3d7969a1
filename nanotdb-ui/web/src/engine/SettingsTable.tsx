import type { Setting } from "../api/types";
import { Table } from "../components/Table";

/** Settings with what they do; those that differ from the default stand first and say so. */
export function SettingsTable({ label, rows }: { label: string; rows: Setting[] }) {
  const changed = (row: Setting) => row.value !== row.default;
  return (
    <Table
      label={label}
      rows={[...rows].sort((a, b) => Number(changed(b)) - Number(changed(a)))}
      id={({ key }) => key}
      empty="None."
      find={({ key, value, explain }) => `${key} ${value} ${explain}`}
      columns={[
        { name: "Key", cell: ({ key }) => <code>{key}</code> },
        {
          name: "Value",
          cell: (row) => (changed(row) ? <strong>{row.value || "(empty)"}</strong> : <span>{row.value || "(empty)"}</span>),
        },
        {
          name: "From",
          cell: (row) => (changed(row) ? `${row.source === "engine" ? "engine.toml" : "set"}, default ${row.default || "(empty)"}` : "default"),
        },
        { name: "What it does", cell: ({ explain }) => explain },
      ]}
    />
  );
}
