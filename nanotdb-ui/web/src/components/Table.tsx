import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { grouped } from "../scale/number";
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
  /** What a search looks at; without it there is none. */
  find?: (row: T) => string;
  /** Rows of a page, where not as many as usual. */
  most?: number;
}

/** Rows of a page; on a phone each is a card. */
const PAGE = 25;
const CARDS = 5;

/** A plain table; the first column names the row. More rows than fit a page are turned page by page, and searched. */
export function Table<T>({ label, columns, rows, id, empty, find, most = PAGE }: Props<T>) {
  const page = useSignal(0);
  const search = useSignal("");
  if (rows.length === 0) return <p class="quiet">{empty}</p>;
  const size = matchMedia("(max-width: 860px)").matches ? Math.min(CARDS, most) : most;
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const found =
    find && words.length > 0
      ? rows.filter((row) => {
          const text = find(row).toLowerCase();
          return words.every((word) => text.includes(word));
        })
      : rows;
  const pages = Math.max(1, Math.ceil(found.length / size));
  const at = Math.min(page.value, pages - 1);
  const shown = found.slice(at * size, (at + 1) * size);
  return (
    <>
      {find && rows.length > size && (
        <input
          type="search"
          class="find"
          aria-label={`Search in ${label}`}
          placeholder="Search"
          value={search.value}
          onInput={(event) => {
            search.value = event.currentTarget.value;
            page.value = 0;
          }}
        />
      )}
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
      </div>
      {found.length === 0 && <p class="quiet">Nothing has these words.</p>}
      {pages > 1 && (
        <div class="row pager">
          <Button icon="back" label={`Rows before, of ${label}`} disabled={at === 0} onClick={() => (page.value = at - 1)} />
          <span class="quiet" aria-live="polite">
            {grouped(at * size + 1)} – {grouped(at * size + shown.length)} of {grouped(found.length)}
          </span>
          <Button icon="forward" label={`Rows after, of ${label}`} disabled={at === pages - 1} onClick={() => (page.value = at + 1)} />
        </div>
      )}
    </>
  );
}
