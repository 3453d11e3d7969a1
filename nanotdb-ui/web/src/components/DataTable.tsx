import { clockStyle } from "../state/prefs";
import { formatDateTime } from "../time/format";
import { significant } from "../scale/number";
import type { Table as Data } from "../series/table";
import { type Column, Table } from "./Table";

type Row = Data["rows"][number];

/** As many as a panel has room for. */
const ROWS = 10;

/** The rows of a chart as a table, the newest first. */
export function DataTable({ table, label }: { table: Data; label: string }) {
  const columns: Column<Row>[] = [
    { name: "Time", cell: ({ t }) => formatDateTime(t, clockStyle.value) },
    ...table.head.map((name, i) => ({
      name,
      number: true,
      cell: ({ cells }: Row) => {
        const cell = cells[i];
        return cell === null ? "" : Number.isSafeInteger(cell) ? String(cell) : significant(cell, 9);
      },
    })),
  ];
  return <Table label={`${label} as table`} columns={columns} rows={[...table.rows].reverse()} id={({ t }) => String(t)} empty="No samples in this time." most={ROWS} />;
}
