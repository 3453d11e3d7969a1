/** The shapes of the answers of the server, as far as the pages use them. */

export interface SettingsAnswer {
  title: string;
  version: string;
  refresh_seconds: number;
  base_path: string;
  explore_path: string;
  engine_path: string;
  api_base_url: string;
  default_db: string | null;
  read_only: boolean;
  /** Those that can be asked for, and the unit of their results: that of the values, or a count. */
  aggregates: { name: string; unit: "value" | "count" }[];
}

export interface BatchRange {
  start_ms: number;
  end_ms: number;
  buckets: number;
}

export interface BatchSeries {
  db: string;
  metric: string;
  range: number | null;
  rate?: boolean;
  aggregate?: string;
  window_ms?: number;
  /** Adds the first and the last sample of the range. */
  ends?: boolean;
}

export interface BatchRequest {
  ranges: BatchRange[];
  series: BatchSeries[];
}

type Column = (number | null)[];
type Last = [number, number | null] | null;

interface AnswerBase {
  type: string;
  interval_ms: number | null;
  last: Last;
  ends?: [[number, number | null], [number, number | null]];
  warning?: string;
}

export type SeriesAnswer =
  | (AnswerBase & { kind: "last" })
  | (AnswerBase & { kind: "raw"; times: number; v: Column })
  | (AnswerBase & { kind: "buckets"; t0: number; step_ms: number; n: number[]; min: Column; avg: Column; max: Column })
  | (AnswerBase & { kind: "aggregate"; t0: number; step_ms: number; v: Column })
  | { error: { type: string; message: string } };

export interface BatchAnswer {
  now_ms: number;
  times: number[][];
  series: SeriesAnswer[];
}

export interface StatusAnswer {
  now_ms: number;
  samples_total: number;
  rejected_total: number;
  /** When lines were refused last. */
  rejected_ms?: number | null;
  databases: number;
  metrics: number;
  wal_bytes: number;
  data_bytes: number;
  disk_free_bytes: number | null;
  read_only: string[];
  /** Warnings that are told by the engine page. */
  warnings?: number;
}

export interface CatalogDatabase {
  name: string;
  internal: boolean;
  state: "ok" | "read_only" | "failed";
  reason: string | null;
  metrics: string[];
  types: string[];
  last_ms: (number | null)[];
  last: (number | null)[];
  interval_ms: (number | null)[];
}

export interface CatalogAnswer {
  version: string;
  now_ms: number;
  started_ms: number;
  status: StatusAnswer;
  databases: CatalogDatabase[];
}

export interface FieldError {
  /** JSON pointer (RFC 6901); empty for the whole document. */
  path: string;
  message: string;
}

export interface Backup {
  name: string;
  time_ms: number;
  bytes: number;
  widgets: number;
}

export interface Setting {
  key: string;
  value: string;
  default: string;
  explain: string;
  source?: string;
}

export interface EngineDatabase {
  name: string;
  internal: boolean;
  state: string;
  reason: string | null;
  metrics: number;
  points: number | null;
  data_bytes: number;
  wal_bytes: number;
  open_pages: number;
  open_points: number;
  first_ms: number | null;
  last_ms: number | null;
  partitions: number;
}

export interface EngineAnswer {
  now_ms: number;
  version: string;
  format_versions: Record<string, number>;
  runtime: Record<string, string | number | null>;
  settings: Setting[];
  timings: {
    name: string;
    count: number;
    last_ms: number | null;
    mean_ms: number | null;
    p99_ms: number | null;
    max_ms: number | null;
    last_at_ms: number | null;
  }[];
  counters: { name: string; value: number; unit: string }[];
  databases: EngineDatabase[];
  plugins?: { kind: string; name: string; id?: number; also?: string[]; about: string }[];
  rejections?: Refused[];
  warnings?: Warning[];
}

/** What was mended, or else is to know of a database. */
export interface Warning {
  db: string;
  /** null: it is so now. */
  since_ms: number | null;
  text: string;
  can_acknowledge: boolean;
}

/** A request with lines that were refused. */
export interface Refused {
  t_ms: number;
  sender: string | null;
  accepted: number;
  rejected: number;
  lines: { line: number; error: string }[];
}

export interface PartitionFile {
  name: string;
  kind: "raw" | "metric";
  bytes: number;
  pages: number | null;
  points: number | null;
  codec: string | null;
}

export interface Partition {
  key: string;
  start_ms: number | null;
  end_ms: number | null;
  points: number | null;
  sealed: boolean;
  files: PartitionFile[];
  can_build: boolean;
  can_compact: boolean;
}

export interface DatabaseAnswer {
  name: string;
  state: string;
  reason: string | null;
  manifest: Setting[];
  partitions: Partition[];
  open_pages: {
    partition: string;
    points: number;
    bytes: number;
    first_ms: number | null;
    last_ms: number | null;
    opened_ms: number | null;
  }[];
  wal: {
    enabled: boolean;
    files: { name: string; bytes: number }[];
    records: number | null;
    fsync_policy: string;
    last_fsync_ms: number | null;
    /** Batches in the log that are not forced to the device yet. */
    unsynced_batches: number;
    tail: string;
  };
  wal_tail: { metric: string; t_ms: number; v: number | null }[];
  warnings?: Warning[];
}

export interface Job {
  id: string;
  kind: "build_metric" | "compact";
  db: string;
  partition: string | null;
  state: "queued" | "running" | "done" | "failed" | "stopped";
  progress: number | null;
  message: string;
  started_ms: number | null;
  ended_ms: number | null;
  error: string | null;
  result: string | null;
}

export interface EndpointParam {
  name: string;
  in: "query" | "path" | "header";
  type: string;
  required: boolean;
  default: string | null;
  example: string | null;
  options: string[] | null;
  explain: string;
}

export interface Endpoint {
  id: string;
  group: string;
  method: string;
  path: string;
  summary: string;
  /** Who may, once there are tokens. */
  access: "open" | "read" | "write" | "admin";
  changes: boolean;
  params: EndpointParam[];
  body: { content_type: string; example: string; explain: string } | null;
  answer: string;
}
