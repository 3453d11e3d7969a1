"""The servers under test: each on a scratch directory and a free loopback port, always stopped."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

READY_SECONDS = 60
STOP_SECONDS = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def http(address, path, method="GET", timeout=120):
    """Status and body; a refused connection is status 0."""
    request = urllib.request.Request(f"http://{address}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except (urllib.error.URLError, ConnectionError):
        return 0, b""


def file_bytes(root, pattern="*"):
    return sum(path.stat().st_size for path in Path(root).rglob(pattern) if path.is_file())


class Server:
    """One running server. `name` is also the target of nanotdb-load, `file` the workload's extension."""

    name = file = health = "?"

    def __init__(self, scratch, directory=None, **settings):
        self.settings = settings
        self.directory = Path(directory or tempfile.mkdtemp(prefix=f"{self.name}-", dir=scratch))
        self.address = f"127.0.0.1:{free_port()}"
        self.log = scratch / f"{self.name}.log"
        self.process = None
        self.configure()

    def configure(self):
        """Writes configuration files, once per directory."""

    def command(self):
        raise NotImplementedError

    @classmethod
    def binary(cls):
        raise NotImplementedError

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + READY_SECONDS
        while not 200 <= http(self.address, self.health, timeout=5)[0] < 300:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                tail = self.log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self.name} does not answer {self.health}; end of its log:\n{tail}")
            time.sleep(0.02)
        return self

    def stop(self):
        """A clean shutdown."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
                raise RuntimeError(f"{self.name} was still running {STOP_SECONDS} s after SIGTERM") from None

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @contextlib.contextmanager
    def running(self):
        self.start()
        try:
            yield self
        finally:
            self.kill()

    def discard(self):
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def settled_bytes(self):
        """Bytes of samples on disk once nothing more is going to be merged. May stop the server."""
        raise NotImplementedError

    def resident_mib(self):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return None

    def wait_until_size_is_stable(self, root, seconds=4.0, limit=90.0):
        deadline = time.monotonic() + limit
        seen, since = -1, time.monotonic()
        while time.monotonic() < deadline and time.monotonic() - since < seconds:
            size = file_bytes(root)
            if size != seen:
                seen, since = size, time.monotonic()
            time.sleep(0.25)
        return file_bytes(root)


class Nanotdb(Server):
    name, file, health = "nanotdb", "lp", "/health"
    target_dir = None

    @classmethod
    def binary(cls):
        path = cls.target_dir / "release" / "nanotdb"
        return str(path) if path.exists() else None

    def configure(self):
        policy = "always" if self.settings.get("fsync") else "segment"
        text = f'[wal]\nfsync_policy = "{policy}"\n\n[stats]\nenabled = false\n\n[limits]\nmax_future = "0s"\n'
        page = self.settings.get("page")
        if page:
            text += "\n[manifest_defaults.page]\n" + "".join(f"{key} = {value}\n" for key, value in page.items())
        self.directory.joinpath("engine.toml").write_text(text)

    def command(self):
        return [self.binary(), "--data", str(self.directory), "--listen", self.address]

    def settled_bytes(self):
        self.stop()
        return file_bytes(self.directory, "data-*.dat")

    @staticmethod
    def queries(first, last):
        def span(days):
            return f"start={last - days * 86400 * 10**9}&end={last}&timestamp_unit=ns"
        path = "/api/v1/query_range?query=pi0/cpu.user&"
        return {
            "raw 1 day": path + span(1),
            "raw 30 days": path + f"start={first}&end={last}&timestamp_unit=ns",
            "avg by 1h, 30 days": path + f"start={first}&end={last}&timestamp_unit=ns&aggregate=avg&window=1h",
            "avg by 1d, 30 days": path + f"start={first}&end={last}&timestamp_unit=ns&aggregate=avg&window=1d",
            "p95 by 1h, 30 days": path + f"start={first}&end={last}&timestamp_unit=ns&aggregate=p95&window=1h",
            "min, max, avg by 5m, 1 day": path + span(1) + "&aggregate=min,max,avg&window=5m",
            "last value": "/api/v1/query?query=pi0/cpu.user",
        }


class VictoriaMetrics(Server):
    name, file, health = "vm", "prom", "/health"

    @classmethod
    def binary(cls):
        return shutil.which("victoria-metrics")

    def command(self):
        return [self.binary(), f"-storageDataPath={self.directory}", f"-httpListenAddr={self.address}",
                "-retentionPeriod=100y", "-search.disableCache", "-loggerLevel=WARN"]

    def settled_bytes(self):
        http(self.address, "/internal/force_flush")
        http(self.address, "/internal/force_merge")
        time.sleep(1)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            _, metrics = http(self.address, "/metrics")
            active = [line for line in metrics.decode().splitlines() if line.startswith("vm_active_force_merges")]
            if not active or float(active[0].split()[-1]) == 0:
                break
            time.sleep(0.25)
        return self.wait_until_size_is_stable(self.directory / "data")

    @staticmethod
    def queries(first, last):
        # A rollup window of a day, and not its edge: `[1d]` at the last sample is the last day's raw samples.
        begin, end = first // 10**9, last // 10**9 + 1
        quote = urllib.parse.quote
        return {
            "raw 1 day": f"/api/v1/query?query={quote('cpu_user[1d]')}&time={end}",
            "raw 30 days": f"/api/v1/query?query={quote('cpu_user[30d]')}&time={end}",
            **{row: f"/api/v1/query_range?nocache=1&step={step}&query={quote(text)}&start={start}&end={end}"
               for row, step, text, start in [
                   ("avg by 1h, 30 days", "1h", "avg_over_time(cpu_user[1h])", begin),
                   ("avg by 1d, 30 days", "1d", "avg_over_time(cpu_user[1d])", begin),
                   ("p95 by 1h, 30 days", "1h", "quantile_over_time(0.95, cpu_user[1h])", begin),
                   ("min, max, avg by 5m, 1 day", "5m",
                    "union(min_over_time(cpu_user[5m]), max_over_time(cpu_user[5m]), avg_over_time(cpu_user[5m]))",
                    end - 86400)]},
            "last value": f"/api/v1/query?query=cpu_user&time={end}",
        }


class Influx(Server):
    name, file, health = "influx", "influx", "/ping"

    @classmethod
    def binary(cls):
        return shutil.which("influxd")

    def configure(self):
        # InfluxDB answers a write only after an fsync. wal-fsync-delay does not change that: it makes writers wait
        # for one that is shared, so a single client would get one answer per delay.
        root = self.directory
        root.joinpath("influxdb.conf").write_text(f"""reporting-disabled = true
bind-address = "127.0.0.1:{free_port()}"
[meta]
  dir = "{root}/meta"
[data]
  dir = "{root}/data"
  wal-dir = "{root}/wal"
  wal-fsync-delay = "0s"
  cache-snapshot-write-cold-duration = "5s"
  compact-full-write-cold-duration = "5s"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "{self.address}"
  log-enabled = false
[logging]
  level = "error"
""")

    def command(self):
        return [self.binary(), "run", "-config", str(self.directory / "influxdb.conf")]

    def settled_bytes(self):
        # The WAL empties when the cache is snapshotted, then the shard is compacted as a whole.
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and file_bytes(self.directory / "wal", "*.wal") > 0:
            time.sleep(0.5)
        self.wait_until_size_is_stable(self.directory / "data", seconds=12.0)
        # Samples only: the index beside them is preallocated, 4 MB a segment, whatever it holds.
        return file_bytes(self.directory / "data", "*.tsm")

    @staticmethod
    def queries(first, last):
        def path(text):
            return "/query?db=pi0&epoch=ns&q=" + urllib.parse.quote(text)
        begin = last - 86400 * 10**9
        return {
            "raw 1 day": path(f'SELECT value FROM "cpu.user" WHERE time >= {begin} AND time <= {last}'),
            "raw 30 days": path(f'SELECT value FROM "cpu.user" WHERE time >= {first} AND time <= {last}'),
            **{row: path(f'SELECT {what} FROM "cpu.user" WHERE time >= {start} AND time <= {last} GROUP BY time({step})')
               for row, step, what, start in [
                   ("avg by 1h, 30 days", "1h", "mean(value)", first),
                   ("avg by 1d, 30 days", "1d", "mean(value)", first),
                   ("p95 by 1h, 30 days", "1h", "percentile(value, 95)", first),
                   ("min, max, avg by 5m, 1 day", "5m", "min(value), max(value), mean(value)", begin)]},
            "last value": path('SELECT last(value) FROM "cpu.user"'),
        }


KINDS = {kind.name: kind for kind in (Nanotdb, VictoriaMetrics, Influx)}


def drop_caches_allowed():
    return os.geteuid() == 0 and os.access("/proc/sys/vm/drop_caches", os.W_OK)
