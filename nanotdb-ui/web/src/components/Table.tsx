import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { Button } from "./Button";

export interface Column<T> {
  name: string;
  /** Right-aligned. */
  number?: boolean;
  cell: (row: T) => ComponentChildren;
}

interface Props<T> {
  label: string;
  columns: Column<T>[];
  rows: T[];
  id: (row: T) => string;
  empty: string;
}

const FIRST = 100;

/** A plain table, as high as it needs; the first column names the row. The first hundred rows, all on request. */
export function Table<T>({ label, columns, rows, id, empty }: Props<T>) {
  const all = useSignal(false);
  if (rows.length === 0) return <p class="quiet">{empty}</p>;
  const shown = all.value ? rows : rows.slice(0, FIRST);
  return (
    <div class="wide-table" tabIndex={0} role="group" aria-label={label}>
      <table class="cards">
        <thead>
          <tr>
            {columns.map(({ name, number }) => (
              <th scope="col" class={number ? "number" : undefined} key={name}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((row) => (
            <tr key={id(row)}>
              {columns.map(({ name, number, cell }, i) =>
                i === 0 ? (
                  <th scope="row" key={name}>
                    {cell(row)}
                  </th>
                ) : (
                  <td class={number ? "number" : undefined} key={name} data-label={name}>
                    {cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
      {shown.length < rows.length && <Button onClick={() => (all.value = true)}>All {rows.length} rows</Button>}
    </div>
  );
}
