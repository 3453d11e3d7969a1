#!/usr/bin/env python3
"""Reads a recorded tree as drip should, independently of it: written from proc(5), sysfs and docs/DRIP.md alone.

usage: read_tree.py BEFORE AFTER SECONDS [ID=NAME...]    names of one-wire sensors
Prints `collector name value` of AFTER; rates are over SECONDS since BEFORE. Floats are printed with as many decimals as
docs/DRIP.md says.
"""
import fnmatch, os, re, struct, sys, zlib

before, after, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
sensors = dict(pair.split("=") for pair in sys.argv[4:])


def text(tree, path):
    with open(os.path.join(tree, path), encoding="utf-8") as f:
        return f.read()


def there(path):
    return os.path.exists(os.path.join(after, path))


def show(collector, name, value, decimals=None):
    print(collector, name, value if decimals is None else f"{value:.{decimals}f}")


def level(name):
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def cpu():
    def times(tree):
        return [int(n) for n in re.match(r"cpu\s+(.*)", text(tree, "proc/stat")).group(1).split()][:8]

    new, old = times(after), times(before)
    kinds = "user nice system idle iowait irq softirq steal".split()
    passed = [n - o for n, o in zip(new, old)]
    for name, value, ticks in zip(kinds, new, passed):
        show("cpu", "cpu." + name, value)
        show("cpu", f"cpu.{name}_pct", 100 * ticks / sum(passed), 2)
    show("cpu", "cpu.busy_pct", 100 * (1 - (passed[3] + passed[4]) / sum(passed)), 2)
    show("cpu", "sys.uptime_sec", int(float(text(after, "proc/uptime").split()[0])))
    zones = "sys/class/thermal"
    kinds = {}
    for zone in os.listdir(os.path.join(after, zones)):
        kinds[text(after, f"{zones}/{zone}/type").strip()] = zone
    zone = kinds.get("cpu-thermal") or kinds.get("x86_pkg_temp")
    show("cpu", "temp.cpu", int(text(after, f"{zones}/{zone}/temp")))
    policies = "sys/devices/system/cpu/cpufreq"
    clocks = [p for p in os.listdir(os.path.join(after, policies)) if p.startswith("policy")]
    show("cpu", "cpu.freq_khz", max(int(text(after, f"{policies}/{p}/scaling_cur_freq")) for p in clocks))


def memory():
    found = dict(re.findall(r"^(\w+):\s+(\d+)", text(after, "proc/meminfo"), re.M))
    for field in "MemTotal MemFree MemAvailable Buffers Cached SwapCached SwapTotal SwapFree".split():
        show("memory", "mem." + field.removeprefix("Mem").lower(), found[field])
    total, left = int(found["MemTotal"]), int(found["MemAvailable"])
    show("memory", "mem.used_pct", 100 * (total - left) / total, 2)
    total, left = int(found["SwapTotal"]), int(found["SwapFree"])
    if total:
        show("memory", "swap.used_pct", 100 * (total - left) / total, 2)


def io():
    found = dict(line.split() for line in text(after, "proc/vmstat").splitlines())
    for field in "pgpgin pgpgout pswpin pswpout".split():
        show("io", "io." + field, found[field])


def loadavg():
    one, five, fifteen, processes, _ = text(after, "proc/loadavg").split()
    for name, value in (("1", one), ("5", five), ("15", fifteen)):
        show("loadavg", "sys.load" + name, float(value), 2)
    running, total = processes.split("/")
    show("loadavg", "sys.procs_running", running)
    show("loadavg", "sys.procs_total", total)


def network():
    skip = "lo veth* docker* br-* virbr* vnet* tap* ifb*".split()
    for line in text(after, "proc/net/dev").splitlines()[2:]:
        name, rest = line.split(":")
        if any(fnmatch.fnmatchcase(name.strip(), pattern) for pattern in skip):
            continue
        n = rest.split()
        for way, values in (("rx", n[:4]), ("tx", n[8:12])):
            for what, value in zip("bytes packets errors drop".split(), values):
                show("network", f"net.{level(name.strip())}.{way}_{what}", value)


def disk():
    names = "reads reads_merged read_sectors read_ms writes writes_merged write_sectors write_ms io_in_progress io_ms io_weighted_ms".split()

    def counters(tree):
        lines = (line.split() for line in text(tree, "proc/diskstats").splitlines())
        return {f[2]: dict(zip(names, map(int, f[3:14]))) for f in lines}

    old = counters(before)
    for device, new in counters(after).items():
        # Partitions are in the same file and have no directory here.
        if not there("sys/block/" + device) or re.match(r"loop|ram|zram|sr|fd|nbd|zd|dm-", device):
            continue
        for name in names:
            show("disk", f"disk.{device}.{name}", new[name])
        per_second = {name: (new[name] - old[device][name]) / seconds for name in names}
        show("disk", f"disk.{device}.busy_pct", per_second["io_ms"] / 1000 * 100, 2)
        show("disk", f"disk.{device}.iops", per_second["reads"] + per_second["writes"], 1)
        # A sector is 512 bytes; k is 1,024 bytes.
        show("disk", f"disk.{device}.read_kbps", per_second["read_sectors"] / 2, 1)
        show("disk", f"disk.{device}.write_kbps", per_second["write_sectors"] / 2, 1)


def diskfs():
    use = {}
    for line in text(after, "statvfs").splitlines():
        mount, *numbers = line.rsplit(" ", 6)
        use[mount] = [int(n) for n in numbers]
    skip = "/var/lib/docker/* /var/lib/containers/* /run/* /snap/*".split()
    devices, names = set(), set()
    for line in text(after, "proc/self/mounts").splitlines():
        device, mount, kind, options = line.split()[:4]
        mount = mount.replace("\\040", " ")
        if not device.startswith("/dev/") or kind == "squashfs" or device in devices:
            continue
        if any(fnmatch.fnmatchcase(mount, pattern) for pattern in skip):
            continue
        devices.add(device)
        name = "root" if mount == "/" else level(mount[1:])
        shown = [name]
        if name in names:
            # The checksum of the path tells them apart; the number of the release before stays for a release.
            shown = [f"{name}-{zlib.crc32(mount.encode()):08x}", name + "_2"]
        names.update(shown)
        show("diskfs", f"diskfs.{shown[0]}.stuck", 0)
        show("diskfs", f"diskfs.{shown[0]}.readonly", int("ro" in options.split(",")))
        size, blocks, free, available, inodes, inodes_free = use[mount]
        used = blocks - free
        for name in shown:
            show("diskfs", f"diskfs.{name}.bytes_total", blocks * size)
            show("diskfs", f"diskfs.{name}.bytes_used", used * size)
            show("diskfs", f"diskfs.{name}.bytes_free", free * size)
            show("diskfs", f"diskfs.{name}.bytes_avail", available * size)
            # As df has it: of what is not reserved for root, rounded up.
            show("diskfs", f"diskfs.{name}.used_pct", -(-used * 10000 // (used + available)) / 100, 2)
            if inodes:
                show("diskfs", f"diskfs.{name}.inodes_total", inodes)
                show("diskfs", f"diskfs.{name}.inodes_used", inodes - inodes_free)
                show("diskfs", f"diskfs.{name}.inodes_free", inodes_free)
                show("diskfs", f"diskfs.{name}.inodes_used_pct", (inodes - inodes_free) / inodes * 100, 2)


def processes(tree):
    """By program: {(pid, start): (ticks, virtual bytes, resident pages)}."""
    found = {}
    for pid in filter(str.isdigit, os.listdir(os.path.join(tree, "proc"))):
        name, rest = re.match(r"\d+ \((.*)\) (.*)", text(tree, f"proc/{pid}/stat"), re.S).groups()
        f = [None, None, None] + rest.split()  # f[3] is the state, as proc(5) counts
        found.setdefault(name, {})[pid, f[22]] = (int(f[14]) + int(f[15]), int(f[23]), int(f[24]))
    return found


def process():
    with open(os.path.join(after, "proc/self/auxv"), "rb") as f:
        auxv = dict(struct.iter_unpack("<QQ", f.read()))
    new, old = processes(after), processes(before)
    for name in ("nanotdb", "drip"):
        now, then = new.get(name, {}), old.get(name, {})
        show("process", f"proc.{name}.count", len(now))
        if now:
            show("process", f"proc.{name}.rss_bytes", sum(p[2] for p in now.values()) * auxv[6])
            show("process", f"proc.{name}.vsize_bytes", sum(p[1] for p in now.values()))
        both = now.keys() & then.keys()
        if both:
            ticks = sum(now[p][0] - then[p][0] for p in both)
            show("process", f"proc.{name}.cpu_pct", ticks / auxv[17] / seconds * 100, 2)


def pressure():
    for resource in ("cpu", "memory", "io"):
        if not there("proc/pressure/" + resource):
            continue
        for line in text(after, "proc/pressure/" + resource).splitlines():
            kind, ten, sixty, _, total = re.split(r"\s+", line)
            show("pressure", f"psi.{resource}.{kind}_avg10", float(ten.split("=")[1]), 2)
            show("pressure", f"psi.{resource}.{kind}_avg60", float(sixty.split("=")[1]), 2)
            show("pressure", f"psi.{resource}.{kind}_total_us", total.split("=")[1])


def onewire():
    bus = "sys/bus/w1/devices"
    if not there(bus):
        return
    for sensor in os.listdir(os.path.join(after, bus)):
        if not sensor.startswith("28-"):
            continue
        first, second = text(after, f"{bus}/{sensor}/w1_slave").splitlines()
        value = int(second.split("t=")[1])
        if first.endswith("YES") and value != 85000 and not first.startswith("00 00 00 00 00 00 00 00 00"):
            show("onewire", f"temp.{level(sensors.get(sensor, sensor))}.mdeg", value)


for collector in (cpu, memory, io, loadavg, network, disk, diskfs, process, pressure, onewire):
    collector()
