"""Made-up samples of a small host: 83 metrics every 10 seconds, the same ones in each run.

W1 is a day of it (717,120 points), W3 thirty days. Per tick one timestamp, 10 s after the one before and up to 3 ms late.
Quiet most of the time, with bursts of seconds to minutes in which processor, disk and network are busy.
"""

import json
import random

BEGIN = 1_777_593_600 * 10**9  # 2026-05-01T00:00:00Z
STEP = 10 * 10**9
TICKS_A_DAY = 8640
#: The file's extension and one of its lines: name, value, time.
FORMATS = {
    "lp": (lambda name: f"pi0/{name} %s %s\n", 1),
    "prom": (lambda name: f"{name.replace('.', '_')} %s %s\n", 10**6),
    "influx": (lambda name: f"{name} value=%s %s\n", 1),
}


class Host:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.busy = 0  # ticks that the burst still lasts
        self.metrics = {}
        for mode, rate, in_burst in [("user", 23, 200), ("nice", 0.02, 0), ("system", 15, 60), ("idle", 3950, 3600), ("iowait", 2, 8),
                                     ("irq", 0, 0), ("softirq", 0.5, 3)]:
            self.counter(f"cpu.{mode}", rate, in_burst)
        self.level("cpu.busy_pct", 1, 0.6, 60, 25, "%.2f")
        self.counter("sys.uptime_sec", 10, 10, spread=0)
        self.steps("temp.cpu", 487, 48_686, 0.35)
        self.choice("cpu.freq_khz", [600_000] * 12 + [1_000_000], 1_800_000)
        self.constant("mem.total", 3_884_316)
        for name, start, pages, often in [("free", 812_344, 256, 0.9), ("available", 2_400_000, 300, 0.95), ("buffers", 110_232, 2, 0.3),
                                          ("cached", 1_602_112, 24, 0.55), ("swapcached", 312, 1, 0.001)]:
            self.walk(f"mem.{name}", start, 4, pages, often)
        self.constant("mem.swaptotal", 102_396)
        self.walk("mem.swapfree", 98_812, 4, 1, 0.001)
        for process in ("drip", "nanotdb"):
            self.constant(f"proc.{process}.count", 1)
            self.walk(f"proc.{process}.rss_bytes", 12_001_280, 4096, 16, 0.12)
            self.constant(f"proc.{process}.vsize_bytes", 1_270_000_000)
            self.level(f"proc.{process}.cpu_pct", 0.2, 0.2, 2, 0.5, "%.2f")
        for name, rate, in_burst in [("reads", 0.03, 2), ("reads_merged", 0.01, 1), ("read_sectors", 0.5, 32), ("read_ms", 0.06, 5),
                                     ("writes", 3, 33), ("writes_merged", 3, 9), ("write_sectors", 100, 400), ("write_ms", 18, 180)]:
            self.counter(f"disk.mmcblk0.{name}", rate, in_burst)
        self.constant("disk.mmcblk0.io_in_progress", 0)
        self.counter("disk.mmcblk0.io_ms", 18, 185)
        self.counter("disk.mmcblk0.io_weighted_ms", 19, 190)
        for name, usual, in_burst, form in [("busy_pct", 0.2, 1.9, "%.2f"), ("iops", 0.3, 3.5, "%.1f"), ("read_kbps", 0.02, 1.6, "%.1f"),
                                            ("write_kbps", 5, 20, "%.1f")]:
            self.level(f"disk.mmcblk0.{name}", usual, usual, in_burst, in_burst / 2, form)
        self.constant("diskfs.root.bytes_total", 31_034_044_416)
        for name, start in [("used", 7_123_214_336), ("free", 23_910_830_080), ("avail", 22_310_830_080)]:
            self.walk(f"diskfs.root.bytes_{name}", start, 4096, 9, 0.5)
        self.level("diskfs.root.used_pct", 22.95, 0.004, 22.95, 0.004, "%.2f")
        for name, value in [("bytes_total", 534_765_568), ("bytes_used", 68_083_712), ("bytes_free", 466_681_856),
                            ("bytes_avail", 466_681_856), ("used_pct", 12.73)]:
            self.constant(f"diskfs.boot_firmware.{name}", value)
        self.counter("io.pgpgin", 0.2, 16)
        self.counter("io.pgpgout", 50, 200)
        self.constant("io.pswpin", 12)
        self.constant("io.pswpout", 904)
        self.level("disk.sd_write_probe_ms", 8, 2.5, 30, 12, "%.2f", every=6)
        for interface, rate, in_burst in [("eth0", 20, 900), ("wlan0", 2, 3)]:
            for way, size in [("rx", 100), ("tx", 130)]:
                self.counter(f"net.{interface}.{way}_bytes", rate * size, in_burst * size)
                self.counter(f"net.{interface}.{way}_packets", rate, in_burst)
                self.constant(f"net.{interface}.{way}_errors", 0)
                if interface == "wlan0" and way == "rx":
                    self.counter("net.wlan0.rx_drop", 0.1, 0.1)
                else:
                    self.constant(f"net.{interface}.{way}_drop", 3)
        for minutes, weight in [(1, 0.15), (5, 0.033), (15, 0.011)]:
            self.smooth(f"sys.load{minutes}", 0.15, 2.2, weight)
        self.choice("sys.procs_running", [1] * 8 + [2, 3], 3)
        self.walk("sys.procs_total", 182, 1, 1, 0.5)
        for name, start, often in [("office_wet", 21_562, 0.12), ("out_dry", 12_250, 0.18), ("office_dry", 21_750, 0.12), ("boiler", 44_125, 0.3),
                                   ("fridge", 5_312, 0.2)]:
            self.steps(f"temp.{name}.mdeg", 62.5, start, often)

    # Kinds of metrics: each is a function that gives the next value as text.

    def counter(self, name, rate, in_burst, spread=0.5):
        total = self.random.randrange(100_000, 3_000_000)
        owed = 0.0

        def following():
            nonlocal total, owed
            mean = in_burst if self.busy else rate
            owed += mean * (1 + spread * (self.random.random() * 2 - 1))
            total += int(owed)
            owed -= int(owed)
            return str(total)

        self.metrics[name] = following

    def level(self, name, usual, deviation, in_burst, burst_deviation, form, every=1):
        text, at = form % usual, 0

        def following():
            nonlocal text, at
            if at % every == 0:
                middle, width = (in_burst, burst_deviation) if self.busy else (usual, deviation)
                text = form % max(0.0, middle + width * (self.random.random() * 2 - 1))
            at += 1
            return text

        self.metrics[name] = following

    def walk(self, name, start, unit, most, often):
        value = start

        def following():
            nonlocal value
            if self.random.random() < often:
                value += (self.random.randint(-most, most) + int((start - value) / (8 * unit * most))) * unit
            return str(value)

        self.metrics[name] = following

    def steps(self, name, step, start, often):
        value = float(start)

        def following():
            nonlocal value
            if self.random.random() < often:
                value += step if (self.random.random() < 0.5) == (value - start < 24 * step * (self.random.random() * 2 - 1)) else -step
            return str(int(value))

        self.metrics[name] = following

    def smooth(self, name, usual, in_burst, weight):
        value = usual

        def following():
            nonlocal value
            value += ((in_burst if self.busy else usual * 2 * self.random.random()) - value) * weight
            return "%.2f" % value

        self.metrics[name] = following

    def choice(self, name, usual, in_burst):
        self.metrics[name] = lambda: str(in_burst if self.busy else self.random.choice(usual))

    def constant(self, name, value):
        text = str(value)
        self.metrics[name] = lambda: text

    def tick(self):
        """The texts of all values, in the order of the names."""
        if self.busy:
            self.busy -= 1
        elif self.random.random() < 0.002:
            self.busy = self.random.randint(2, 30)
        return [following() for following in self.metrics.values()]


def make(out, name, days, formats=("lp",)):
    """Writes `<out>/workload/<name>.<format>`, unless they are there, and returns the directory and what is known of them."""
    directory = out / "workload"
    directory.mkdir(parents=True, exist_ok=True)
    known = directory / f"{name}.json"
    missing = [extension for extension in formats if not (known.exists() and (directory / f"{name}.{extension}").exists())]
    if missing:
        print(f"making {name} ({days} days)", flush=True)
        host, jitter = Host(seed=1), random.Random(2)
        lines = {extension: "".join(FORMATS[extension][0](metric) for metric in host.metrics) for extension in missing}
        files = {extension: open(directory / f"{name}.{extension}", "w", buffering=1 << 22) for extension in missing}
        columns = [None] * (2 * len(host.metrics))
        time = first = BEGIN
        for at in range(days * TICKS_A_DAY):
            time = BEGIN + at * STEP + jitter.randrange(3_000_000)
            first = time if at == 0 else first
            columns[0::2] = host.tick()
            for extension, file in files.items():
                columns[1::2] = [time // FORMATS[extension][1]] * len(host.metrics)
                file.write(lines[extension] % tuple(columns))
        for file in files.values():
            file.close()
        points = days * TICKS_A_DAY * len(host.metrics)
        known.write_text(json.dumps({"points": points, "first_ts": first, "last_ts": time, "metrics": list(host.metrics)}) + "\n")
    return directory, json.loads(known.read_text())
