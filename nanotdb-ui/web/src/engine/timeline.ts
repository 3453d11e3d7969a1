/** Partitions on a time line. */
import type { Partition } from "../api/types";

export interface Bar {
  key: string;
  /** Shares of the width. */
  x: number;
  width: number;
  /** Share of the highest bar. */
  height: number;
  bytes: number;
  bytesPerPoint: number | null;
  /** Share of its bytes that is in metric files; the rest is in raw pages. */
  metric: number;
}

function sum(files: Partition["files"]): number {
  return files.reduce((bytes, file) => bytes + file.bytes, 0);
}

/** Bars by bytes per sample, or by bytes where the samples are not known. Partitions without a time are left out. */
export function bars(partitions: Partition[]): { from: number; to: number; bars: Bar[] } {
  const timed = partitions.filter((p): p is Partition & { start_ms: number; end_ms: number } => p.start_ms !== null && p.end_ms !== null);
  if (timed.length === 0) return { from: 0, to: 0, bars: [] };
  const from = Math.min(...timed.map((p) => p.start_ms));
  const to = Math.max(...timed.map((p) => p.end_ms), from + 1);
  const rows = timed.map((p) => {
    const bytes = sum(p.files);
    return { p, bytes, size: p.points ? bytes / p.points : null };
  });
  const counted = rows.every(({ size }) => size !== null);
  const measure = (row: (typeof rows)[number]) => (counted ? (row.size ?? 0) : row.bytes);
  const most = Math.max(...rows.map(measure), Number.MIN_VALUE);
  return {
    from,
    to,
    bars: rows.map((row) => ({
      key: row.p.key,
      x: (row.p.start_ms - from) / (to - from),
      width: (row.p.end_ms - row.p.start_ms) / (to - from),
      height: measure(row) / most,
      bytes: row.bytes,
      bytesPerPoint: row.size,
      metric: sum(row.p.files.filter(({ kind }) => kind === "metric")) / Math.max(1, row.bytes),
    })),
  };
}
