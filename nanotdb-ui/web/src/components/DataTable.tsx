import { clockStyle } from "../state/prefs";
import { formatDateTime } from "../time/format";
import { significant } from "../scale/number";
import type { Table } from "../series/table";

const MOST = 500;

/** The rows of a chart as a table; the newest first, the rest is in the CSV. */
export function DataTable({ table, label }: { table: Table; label: string }) {
  const rows = table.rows.slice(-MOST).reverse();
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`${label} as table`}>
      <table>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {table.head.map((name) => (
              <th scope="col" class="number" key={name}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ t, cells }) => (
            <tr key={t}>
              <th scope="row">{formatDateTime(t, clockStyle.value)}</th>
              {cells.map((cell, i) => (
                <td class="number" key={i}>
                  {cell === null ? "" : Number.isSafeInteger(cell) ? String(cell) : significant(cell, 9)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {table.rows.length > MOST && <p class="quiet">The newest {MOST} of {table.rows.length} rows; the CSV has all.</p>}
    </div>
  );
}
