// The real server on a directory of its own, for one journey.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The release binary, unless NANOTDB names another. */
const BINARY = process.env.NANOTDB ?? new URL("../../../../target/release/nanotdb", import.meta.url).pathname;

function freePort() {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export class Server {
  static async start() {
    const server = new Server();
    server.dir = mkdtempSync(join(tmpdir(), "nanotdb-web-"));
    server.port = await freePort();
    server.url = `http://127.0.0.1:${server.port}`;
    // WEB_ROOT: pages from a directory instead of those in the program, to try a change without building it.
    const web = process.env.WEB_ROOT ? `[web]\nweb_root = ${JSON.stringify(process.env.WEB_ROOT)}\n` : "";
    writeFileSync(join(server.dir, "engine.toml"), `[engine]\nlisten = "127.0.0.1:${server.port}"\n${web}`);
    await server.run();
    return server;
  }

  /** `healthy`: wait until all is well, and not only until there is an answer. */
  async run({ healthy = true } = {}) {
    this.process = spawn(BINARY, ["--config", join(this.dir, "engine.toml")], { stdio: ["ignore", "ignore", "pipe"] });
    this.log = "";
    this.process.stderr.on("data", (data) => (this.log += data));
    for (let i = 0; i < 200; i++) {
      try {
        if ((await fetch(`${this.url}/health`)).ok || !healthy) return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    throw new Error(`${BINARY} does not answer:\n${this.log}`);
  }

  /** Ends the process as a power cut would. */
  async kill() {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGKILL");
    await ended;
  }

  async close() {
    if (this.process.exitCode === null && this.process.signalCode === null) await this.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Lines of `db/metric value [nanoseconds]`. */
  async import(lines) {
    const response = await fetch(`${this.url}/api/v1/import`, { method: "POST", body: lines.join("\n") });
    if (!response.ok) throw new Error(`import: ${response.status} ${await response.text()}`);
  }
}

/** Lines of one metric: `value(i, ms)` at every step of [from, to); null leaves the sample out. */
export function series(name, from, to, stepMs, value) {
  const lines = [];
  for (let ms = from, i = 0; ms < to; ms += stepMs, i++) {
    const v = value(i, ms);
    if (v !== null) lines.push(`${name} ${v} ${BigInt(ms) * 1_000_000n}`);
  }
  return lines;
}
