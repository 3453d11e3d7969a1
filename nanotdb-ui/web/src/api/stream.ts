/** The stream of live points: one per visible tab, reopened by itself with growing pauses. */
import { apiUrl } from "./client";
import type { Job, StatusAnswer } from "./types";

export interface StreamHandlers {
  points: (rows: number[][]) => void;
  status: (status: StatusAnswer) => void;
  catalog: () => void;
  dashboard: (etag: string) => void;
  job: (job: Job) => void;
  /** Points were left out: what is shown must be got again. */
  reset: () => void;
  open: () => void;
  /** The connection ended; `retryMs` until the next attempt. */
  lost: (retryMs: number) => void;
}

/** The server sends a status every 15 s; nothing for this long means that it is gone. */
const SILENCE_MS = 40_000;

export class Stream {
  private source: EventSource | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;

  constructor(
    private readonly url: () => string,
    private readonly handlers: StreamHandlers,
  ) {
    this.connect();
  }

  close(): void {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  private connect(): void {
    const source = new EventSource(apiUrl(this.url()));
    this.source = source;
    const alive = () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.lost(), SILENCE_MS);
    };
    const on = <T>(name: string, take: (data: T) => void) =>
      source.addEventListener(name, (event) => {
        alive();
        take(JSON.parse((event as MessageEvent<string>).data) as T);
      });
    source.onopen = () => {
      alive();
      this.failures = 0;
      this.handlers.open();
    };
    source.onerror = () => this.lost();
    on<number[][]>("points", (rows) => this.handlers.points(rows));
    on<StatusAnswer>("status", (status) => this.handlers.status(status));
    on("catalog", () => this.handlers.catalog());
    on<{ etag: string }>("dashboard", ({ etag }) => this.handlers.dashboard(etag));
    on<Job>("job", (job) => this.handlers.job(job));
    on("reset", () => this.handlers.reset());
  }

  private lost(): void {
    this.close();
    this.failures += 1;
    const wait = Math.min(15_000, 500 * 2 ** Math.min(this.failures, 5)) * (0.8 + Math.random() * 0.4);
    this.handlers.lost(wait);
    this.timer = setTimeout(() => this.connect(), wait);
  }
}
