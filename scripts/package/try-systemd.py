#!/usr/bin/env python3
"""Tries the packages, install.sh and docs/RUN_AS_A_SERVICE.md where systemd is process 1. `scripts/package/test --systemd` runs it,
as a service in a container that is thrown away: it installs, breaks and purges what is there.

    try-systemd.py first|second

first    from the installation on; leaves both services running, for the stop of the machine
second   after the machine has started again: upgrade, remove, purge, then install.sh and what the page does by hand

Expects /debs with the packages in two versions, /repository with the scripts and the programs, and /blocks with the blocks of the page.
"""

import fcntl, glob, http.client, json, os, pathlib, pwd, re, shutil, signal, socket, struct, subprocess, sys, threading, time
import urllib.error, urllib.request

UNITS = ["nanotdb", "drip"]
PATIENCE = 60
PORT = 8428
SIOCSIFADDR = 0x8916
STATE = pathlib.Path("/var/lib/package-test")


def step(text):
    print(f"== {text}", flush=True)


def want(what, holds):
    if not holds:
        sys.exit(f"try-systemd: FAILED: {what}")


def run(*command, check=True):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and done.returncode != 0:
        sys.exit(f"try-systemd: {' '.join(command)}: code {done.returncode}: {done.stdout}")
    return done.stdout.strip()


def code_of(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode


def wait_until(what, holds, patience=PATIENCE):
    end = time.monotonic() + patience
    while not (found := holds()):
        if time.monotonic() > end:
            sys.exit(f"try-systemd: FAILED: {what}, within {patience} s; journal:\n{journal('-n', '30')}")
        time.sleep(0.1)
    return found


def show(unit, name):
    return run("systemctl", "show", "--value", "-p", name, f"{unit}.service")


def is_active(unit):
    return show(unit, "ActiveState") == "active"


def main_pid(unit):
    return int(show(unit, "MainPID"))


def restarts(unit):
    return int(show(unit, "NRestarts"))


def journal(*arguments):
    return run("journalctl", "--no-pager", "-o", "short-precise", "-u", "nanotdb", "-u", "drip", *arguments)


def wait_active(*units):
    for unit in units:
        wait_until(f"{unit} is active", lambda: is_active(unit))


def drop_in(unit, name, text):
    path = pathlib.Path(f"/etc/systemd/system/{unit}.service.d/{name}.conf")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def no_drop_ins():
    for unit in UNITS:
        shutil.rmtree(f"/etc/systemd/system/{unit}.service.d", ignore_errors=True)
    run("systemctl", "daemon-reload")


def replace(path, pattern, text):
    path = pathlib.Path(path)
    changed, count = re.subn(pattern, text, path.read_text(), flags=re.M)
    want(f"{path} has one {pattern}", count == 1)
    path.write_text(changed)


def ask(path, body=None, host="127.0.0.1", timeout=10):
    with urllib.request.urlopen(f"http://{host}:{PORT}{path}", data=body, timeout=timeout) as answer:
        return json.loads(answer.read())["data"]


def samples(database, metric, start=0):
    """{time: value}; empty while there are none."""
    try:
        result = ask(f"/api/v1/query_range?db={database}&query={metric}&start={start}")["result"]
    except (urllib.error.URLError, OSError):  # no such database yet, or no server
        return {}
    return {at: value for at, value in result[0]["values"]} if result else {}


def install(version):
    found = sorted(glob.glob(f"/debs/*_{version}_*.deb"))
    want(f"two packages of {version}", len(found) == 2)
    return run("apt-get", "-qq", "-o", "Dpkg::Use-Pty=0", "install", "-y", *found)


def versions():
    """Older, newer."""
    return sorted({path.split("_")[1] for path in glob.glob("/debs/*.deb")}, key=len)


def files():
    """What an installation could leave; not logs, caches and the lists of dpkg."""
    skipped = ("/var/log", "/var/cache", "/var/tmp", "/var/lib/dpkg", "/var/lib/apt", "/var/lib/systemd", str(STATE))
    found = set()
    for top in ("/etc", "/usr", "/var", "/opt"):
        for directory, below, names in os.walk(top):
            below[:] = [name for name in below if not os.path.join(directory, name).startswith(skipped)]
            found |= {os.path.join(directory, name) for name in [*below, *names]}
    # systemd's, for all services with DynamicUser; Python's, of this test; the backup files that adduser makes
    return {path for path in found if path != "/var/lib/private" and "__pycache__" not in path and not path.endswith("-")}


def failed_units():
    return run("systemctl", "--failed", "--plain", "--no-legend")


def is_unknown(unit):
    return show(unit, "LoadState") == "not-found" and show(unit, "ActiveState") == "inactive"


# What `first` is made of.


def check_installed():
    for unit in UNITS:
        want(f"{unit} is active at once", is_active(unit))
        want(f"{unit} has Type=notify", show(unit, "Type") == "notify")
        want(f"{unit} is to be watched", show(unit, "WatchdogUSec") == "1min")
        want(f"{unit} starts with the machine", run("systemctl", "is-enabled", unit) == "enabled")
        want(f"{unit} needed no second try", restarts(unit) == 0)
    line = show("nanotdb", "StatusText")
    want("nanotdb says what it does", str(PORT) in line)
    print(f"nanotdb: active, {line!r}; drip: active")


def check_confinement():
    """What the units say of hardening is so for the processes, and is what the page says."""
    page = pathlib.Path("/repository/docs/RUN_AS_A_SERVICE.md").read_text()
    for unit in UNITS:
        pid = main_pid(unit)
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines)
        expected = {"NoNewPrivs": "1", "Seccomp": "2", "CapBnd": "0" * 16, "CapEff": "0" * 16}
        want(f"{unit} is confined", {key: status[key] for key in expected} == expected)
        uid = int(status["Uid"].split()[0])
        want(f"{unit} is not root", uid != 0)
        inside = ["nsenter", "-t", str(pid), "-m", "--"]
        for path in ("/etc/x", "/usr/bin/x", "/var/lib/x", "/home/x"):
            want(f"{unit} cannot write {path}", code_of(*inside, "touch", path) != 0)
        want(f"{unit} can write its own directory", code_of(*inside, "test", "-w", f"/var/lib/{unit}") == 0)
        devices = run(*inside, "ls", "/dev").split()
        want(f"{unit} sees no disks and no memory in /dev", not {"mem", "kmsg", "fuse", "loop0", "sda", "vda"} & set(devices))
        # Another user's process, seen by one that is not root.
        others = [*inside, "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "cat", "/proc/1/comm"]
        want(f"{unit} sees other processes: {unit == 'drip'}", (code_of(*others) == 0) == (unit == "drip"))
        figure = run("systemd-analyze", "security", "--no-pager", f"{unit}.service").splitlines()[-1]
        exposure = re.search(r": ([\d.]+ \w+)", figure).group(1)
        said = re.search(rf"^\| {unit}.service \| ([\d.]+), (\w+)", page, re.M)
        want(f"{unit}: {exposure} is what the page says", exposure == " ".join(said.groups()))
        print(f"{unit}: {exposure}, user {status['Uid'].split()[0]}, no capabilities, seccomp")


def check_metrics():
    """Nothing that drip can collect as root is missing from what the service sends."""
    free = {line.split()[0].partition("/")[2] for line in run("drip", "--once", "--config", "/etc/drip.toml").splitlines()}
    want("drip --once has metrics", len(free) > 40)

    def missing():
        try:
            return free - set(ask("/api/v1/metrics?db=metrics")["result"])
        except (urllib.error.URLError, OSError):
            return free

    wait_until(f"all metrics arrive; missing: {missing()}", lambda: not missing())
    total = pathlib.Path("/proc/meminfo").read_text().split()[1]
    found = list(samples("metrics", "mem.total").values())[-1]
    want(f"mem.total is {found}, /proc/meminfo says {total}", found == total)
    print(f"{len(free)} metrics of `drip --once`, run by root and not confined: all arrive from the service")


def quick_cycles():
    replace("/etc/drip.toml", r"^collection_interval_ms = .*", "collection_interval_ms = 1000")
    run("systemctl", "restart", "drip")
    return time.time() + 2


def check_no_gap(since, but=0):
    """A sample each second, from `since` to now, but for some; what waits on disk may take a while."""

    def missing():
        now = time.time()
        there = {int(at) for at in samples("metrics", "mem.total", int(since))}
        return set(range(int(since) + 1, int(now) - 1)) - there

    wait_until(f"no cycle is missing; missing: {sorted(missing())[:20]}", lambda: len(missing()) <= but)
    print(f"drip: {int(time.time() - since)} s with a cycle each second: {len(missing()) or 'none'} missing")


def check_watchdog():
    for unit in UNITS:
        drop_in(unit, "watchdog", "[Service]\nWatchdogSec=4\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", *UNITS)
    pids = {unit: main_pid(unit) for unit in UNITS}
    beats = {unit: {show(unit, "WatchdogTimestampMonotonic")} for unit in UNITS}
    end = time.monotonic() + 9
    while time.monotonic() < end:
        for unit in UNITS:
            beats[unit].add(show(unit, "WatchdogTimestampMonotonic"))
        time.sleep(0.2)
    for unit in UNITS:
        want(f"{unit} lives on", main_pid(unit) == pids[unit])
        want(f"{unit} says that it is alive each 2 s: {beats[unit]}", 4 <= len(beats[unit]) <= 8)
    for unit in UNITS:
        os.kill(pids[unit], signal.SIGSTOP)
    began = time.monotonic()
    for unit in UNITS:
        wait_until(f"{unit} that hangs is started again", lambda: restarts(unit) == 1 and is_active(unit))
        want(f"{unit}: the journal says why", f"{unit}.service: Watchdog timeout (limit 4s)!" in journal("-u", unit))
    no_drop_ins()
    run("systemctl", "restart", *UNITS)
    print(f"both that hang are killed and running again after {time.monotonic() - began:.0f} s, with WatchdogSec=4")


class Writer(threading.Thread):
    """Sends samples, 50 a request, and knows which of them the server acknowledged."""

    def __init__(self, begin):
        super().__init__(daemon=True)
        self.next, self.acknowledged, self.ends = begin, set(), False

    def run(self):
        while not self.ends:
            batch = range(self.next, self.next + 50)
            self.next += 50
            body = "".join(f"keep/load {i} {(1_700_000_000 + i) * 10**9}\n" for i in batch)
            try:
                if ask("/api/v1/import", body.encode())["imported"] == 50:
                    self.acknowledged |= set(batch)
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)


def check_kill():
    acknowledged, begin = set(), 0
    for turn in (1, 2):
        before = restarts("nanotdb")
        writer = Writer(begin)
        writer.start()
        wait_until("samples are taken", lambda: len(writer.acknowledged) > 5000)
        os.kill(main_pid("nanotdb"), signal.SIGKILL)
        sent = len(writer.acknowledged)
        killed = time.monotonic()
        wait_until("it is started again", lambda: restarts("nanotdb") > before and is_active("nanotdb"))
        took = time.monotonic() - killed
        wait_until("it takes samples again", lambda: len(writer.acknowledged) > sent + 1000)
        writer.ends = True
        writer.join()
        acknowledged |= writer.acknowledged
        begin = writer.next
        stored = {int(at) - 1_700_000_000: value for at, value in samples("keep", "load").items()}
        lost = [i for i in acknowledged if stored.get(i) != str(i)]
        want(f"nothing acknowledged is lost, as {lost[:10]} are", not lost)
        print(f"kill -9, {turn}: running again after {took:.1f} s; {len(acknowledged)} acknowledged, {len(stored)} stored, 0 lost")
    (STATE / "acknowledged").write_text(json.dumps(sorted(acknowledged)))


def check_kept():
    acknowledged = json.loads((STATE / "acknowledged").read_text())
    stored = {int(at) - 1_700_000_000: value for at, value in samples("keep", "load").items()}
    want("what was acknowledged is there", all(stored.get(i) == str(i) for i in acknowledged))


def check_mistakes():
    files_ = {"nanotdb": pathlib.Path("/etc/nanotdb/engine.toml"), "drip": pathlib.Path("/etc/drip.toml")}
    before = {unit: path.read_text() for unit, path in files_.items()}
    replace(files_["nanotdb"], r"^listen = .*", 'listen = "nowhere"')
    replace(files_["drip"], r"^collection_interval_ms = .*", 'collection_interval_ms = "often"')
    for unit in UNITS:
        want(f"{unit} does not start with a mistake", code_of("systemctl", "restart", unit) != 0)
    time.sleep(6)
    for unit in UNITS:
        want(f"{unit}: no second try", show(unit, "ActiveState") == "failed" and restarts(unit) == 0)
        # By how it came: the name of a process that ends at once is not always known to the journal.
        line = run("journalctl", "-u", unit, "-o", "cat", "-n", "1", "_TRANSPORT=stdout")
        status = show(unit, "ExecMainStatus")
        want(f"{unit}: the journal says which mistake, not {line}", str(files_[unit]).rpartition("/")[2] in line)
        print(f"{unit} with a mistake: code {status}, not tried again; {line}")
        files_[unit].write_text(before[unit])
        run("systemctl", "start", unit)
    run("systemctl", "stop", "nanotdb")
    files_["nanotdb"].rename("/etc/nanotdb/elsewhere.toml")
    want("a link that leads nowhere: no start", code_of("systemctl", "start", "nanotdb") != 0)
    want("a link that leads nowhere: no file is made", not files_["nanotdb"].exists())
    pathlib.Path("/etc/nanotdb/elsewhere.toml").rename(files_["nanotdb"])
    run("systemctl", "start", "nanotdb")


def address(label, text):
    """One more for lo."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH2s4s8s", label, socket.AF_INET, b"", socket.inet_aton(text), b"")
        fcntl.ioctl(any_socket, SIOCSIFADDR, request)


def answers(host):
    try:
        ask("/api/v1/databases", host=host, timeout=3)
        return True
    except OSError:
        return False


def check_page():
    """The page's drop-ins and configuration, in use."""
    engine = pathlib.Path("/etc/nanotdb/engine.toml")
    before = engine.read_text()
    address(b"lo:1", "192.168.1.5")
    address(b"lo:2", "10.9.9.9")
    want("as installed, only 127.0.0.1 answers", answers("127.0.0.1") and not answers("192.168.1.5"))
    run("systemctl", "stop", "nanotdb")
    for block in glob.glob("/blocks/sh data-*"):
        run("sh", "-euc", pathlib.Path(block).read_text())
    for block in glob.glob("/blocks/ini-*"):
        text = pathlib.Path(block).read_text()
        path = pathlib.Path(text.splitlines()[0].removeprefix("# "))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for block in glob.glob("/blocks/toml-*"):
        text = pathlib.Path(block).read_text()
        engine.write_text(text if "listen" in text else f'{text}[engine]\nlisten = ":{PORT}"\n')
        run("systemctl", "daemon-reload")
        run("systemctl", "restart", *UNITS)
        want("the data on another disk is served", b"/mnt/ssd/nanotdb" in pathlib.Path(f"/proc/{main_pid('nanotdb')}/cmdline").read_bytes())
        check_kept()
    allowed = answers("127.0.0.1"), answers("192.168.1.5"), answers("10.9.9.9")
    want(f"who may ask may ask, and nobody else: {allowed}", allowed == (True, True, False))
    want("a bound of memory", show("nanotdb", "MemoryMax") == str(256 << 20))
    groups = re.search(r"^Groups:\t(.*)", pathlib.Path(f"/proc/{main_pid('drip')}/status").read_text(), re.M).group(1).split()
    want("drip is of the group", run("getent", "group", "video").split(":")[2] in groups)
    engine.write_text(before)
    no_drop_ins()
    run("systemctl", "restart", *UNITS)
    print("drop-ins of the page: data elsewhere, 10.9.9.9 is refused and 192.168.1.5 is not, memory, group: in effect")


def check_log_file():
    engine = pathlib.Path("/etc/nanotdb/engine.toml")
    before = engine.read_text()
    for path, works in (("/var/log/nanotdb.log", False), ("/var/lib/nanotdb/nanotdb.log", True)):
        engine.write_text(f'{before}\n[[logging.logger]]\noutput = "{path}"\nlevel = "info"\n')
        started = code_of("systemctl", "restart", "nanotdb") == 0 and is_active("nanotdb")
        wrote = os.path.exists(path) and os.path.getsize(path) > 0
        want(f"a log at {path}: {works}", wrote == works)
        print(f"log file {path}: started {started}, written {wrote}")
    engine.write_text(before)
    run("systemctl", "restart", "nanotdb")
    os.remove(path)


def check_commands():
    for command in ("manifest check", "inspect db"):
        run("runuser", "-u", "nanotdb", "--", "nanocli", *command.split(), "--root", "/var/lib/nanotdb")
    run("drip", "--check", "--config", "/etc/drip.toml")


def check_stop():
    took = {}
    for unit in reversed(UNITS):
        began = time.monotonic()
        run("systemctl", "stop", unit)
        took[unit] = time.monotonic() - began
        want(f"{unit} stops cleanly", show(unit, "Result") == "success" and show(unit, "ExecMainStatus") == "0")
        want(f"{unit} is quick to stop", took[unit] < 5)
    want("the journal says that all is on disk", "everything is on disk" in journal("-n", "20"))
    run("runuser", "-u", "nanotdb", "--", "nanocli", "verify", "--root", "/var/lib/nanotdb")
    print(f"stop: {', '.join(f'{unit} {seconds:.2f} s' for unit, seconds in took.items())}, code 0; nanocli verify has nothing to say")


def check_journal():
    lines = run("journalctl", "-o", "json", "-u", "nanotdb", "-u", "drip").splitlines()
    messages = [json.loads(line) for line in lines]
    own = [m["MESSAGE"] for m in messages if m["_TRANSPORT"] == "stdout"]
    want("each line is text, without escapes, of a width to read", all(isinstance(m, str) and m.isprintable() and len(m) < 300 for m in own))
    want("no line of a panic", not any("panicked" in m for m in own))
    print(f"journal: {len(own)} lines of the programs; the first:")
    print("\n".join(journal().splitlines()[:12]))


def first():
    STATE.mkdir()
    step("systemd is process 1")
    want("it is", pathlib.Path("/proc/1/comm").read_text() == "systemd\n")
    print(run("systemctl", "--version").splitlines()[0], "on Linux", os.uname().release)
    (STATE / "files").write_text(json.dumps(sorted(files())))
    step("install")
    install(versions()[0])
    check_installed()
    check_metrics()
    step("hardening")
    check_confinement()
    step("watchdog")
    check_watchdog()
    step("kill -9")
    since = quick_cycles()
    check_kill()
    check_no_gap(since)
    step("mistakes")
    check_mistakes()
    step("docs/RUN_AS_A_SERVICE.md")
    check_page()
    check_log_file()
    check_commands()
    step("stop")
    check_stop()
    check_journal()
    want("no unit has failed", not failed_units())
    run("systemctl", "start", *UNITS)
    check_kept()


# What `second` is made of.


def check_started_again():
    for unit in UNITS:
        want(f"{unit} is active, with nobody's doing", is_active(unit) and restarts(unit) == 0)
    ready, begun = int(show("nanotdb", "ActiveEnterTimestampMonotonic")), int(show("drip", "InactiveExitTimestampMonotonic"))
    want("drip starts when nanotdb is ready", ready <= begun)
    check_kept()
    last = journal("-b", "-1", "-n", "12")
    want("the stop of the machine was a clean one", "everything is on disk" in last and "Failed" not in last)
    print("both run again; the stop of the machine:")
    print("\n".join(line for line in last.splitlines() if "systemd" not in line.split(": ")[0])[-400:])


def check_upgrade():
    older, newer = versions()
    since = time.time()
    engine = pathlib.Path("/etc/nanotdb/engine.toml")
    engine.write_text(f"{engine.read_text()}# mine\n")
    pids = {unit: main_pid(unit) for unit in UNITS}
    install(newer)
    for unit in UNITS:
        want(f"{unit} of the new version runs", is_active(unit) and main_pid(unit) != pids[unit])
        want(f"{unit} is {newer}", run("dpkg-query", "-W", "-f", "${Version}", unit) == newer)
    want("edits are kept", "# mine" in engine.read_text() and "= 1000\n" in pathlib.Path("/etc/drip.toml").read_text())
    check_kept()
    time.sleep(3)
    check_no_gap(since, but=1)  # that of the moment in which drip itself was started again
    run("systemctl", "disable", "--quiet", "--now", "drip")
    run("apt-get", "-qq", "-o", "Dpkg::Use-Pty=0", "install", "-y", "--reinstall", *glob.glob(f"/debs/*_{newer}_*.deb"))
    want("drip stays disabled, and stopped", code_of("systemctl", "is-enabled", "drip") != 0 and not is_active("drip"))
    want("nanotdb runs", is_active("nanotdb"))
    run("systemctl", "enable", "--quiet", "drip")
    run("apt-get", "-qq", "-o", "Dpkg::Use-Pty=0", "install", "-y", "--reinstall", *glob.glob(f"/debs/drip_{newer}_*.deb"))
    want("drip, enabled and stopped, is started", is_active("drip"))
    print(f"{older} -> {newer}: restarted, edits kept; a disabled service stays so")


def check_apart():
    """Each does without the other, and nobody starts what the administrator has stopped."""
    run("systemctl", "disable", "--quiet", "--now", "nanotdb")
    since = time.time() + 2
    run("systemctl", "restart", "drip")
    want("drip does not start a server that is disabled", not is_active("nanotdb") and is_active("drip"))
    time.sleep(4)
    want("drip says what it waits for", "does not answer" in show("drip", "StatusText"))
    run("systemctl", "enable", "--quiet", "--now", "nanotdb")
    check_no_gap(since)
    run("systemctl", "stop", "nanotdb")
    want("drip goes on without a server", is_active("drip"))
    run("apt-get", "-qq", "-o", "Dpkg::Use-Pty=0", "remove", "-y", "nanotdb")
    run("systemctl", "restart", "drip")
    want("drip starts where there is no server", is_active("drip") and restarts("drip") == 0)
    install(versions()[1])
    wait_active(*UNITS)


def fstab(text):
    pathlib.Path("/etc/fstab").write_text(text)
    run("systemctl", "daemon-reload")
    run("systemctl", "reset-failed")


def mount_disk():
    """As the page has it for data on another disk, with a file system in memory that looks like a new ext4."""
    ask("/api/v1/import", b"keep/disk 7")
    run("systemctl", "stop", "nanotdb")
    disk = pathlib.Path("/mnt/disk")
    disk.mkdir()
    run("mount", "-t", "tmpfs", "tmpfs", str(disk))
    (disk / "lost+found").mkdir(0o700)
    run("cp", "-a", "/var/lib/nanotdb/.", str(disk))
    fstab("none /var/lib/nanotdb no-such-type defaults 0 0\n")
    want("no start without the disk", code_of("systemctl", "start", "nanotdb") != 0 and not is_active("nanotdb"))
    fstab(f"{disk} /var/lib/nanotdb none bind 0 0\n")
    run("systemctl", "start", "nanotdb")
    want("the disk is mounted for it", os.path.ismount("/var/lib/nanotdb"))
    want("its samples are there", list(samples("keep", "disk").values()) == ["7"])
    want("nanocli verify has nothing to say", code_of("runuser", "-u", "nanotdb", "--", "nanocli", "verify", "--root", "/var/lib/nanotdb") == 0)
    print("data on a disk mounted at /var/lib/nanotdb: served")


def unmount_disk():
    want("the disk is mounted still, and empty", os.path.ismount("/var/lib/nanotdb") and not os.listdir("/var/lib/nanotdb"))
    run("umount", "/var/lib/nanotdb", "/mnt/disk")
    os.rmdir("/mnt/disk")
    fstab("")


def check_remove():
    run("apt-get", "-qq", "-o", "Dpkg::Use-Pty=0", "remove", "-y", *UNITS)
    want("no service is left", all(is_unknown(unit) for unit in UNITS))
    want("no unit has failed", not failed_units())
    for path in ("/etc/nanotdb/engine.toml", "/etc/drip.toml", "/var/lib/nanotdb/keep", "/var/lib/drip/"):
        want(f"{path} is kept", os.path.exists(path))
    want("it was a clean stop", "everything is on disk" in journal("-n", "20"))
    install(versions()[1])
    check_installed()
    check_kept()
    print("removed: services gone, data and configuration kept, and served again after another installation")


def is_purged(what):
    want(f"{what}: no service is left", all(is_unknown(unit) for unit in UNITS) and not failed_units())
    names = [entry.pw_name for entry in pwd.getpwall()]
    want(f"{what}: no user is left", "nanotdb" not in names)
    left = sorted(files() - set(json.loads((STATE / "files").read_text())))
    want(f"{what}: nothing is left, as {left} is", not left)
    print(f"{what}: no service, user or file is left")


def check_installer():
    installer = "/repository/scripts/install.sh"
    run(installer, "--no-start")
    want("--no-start", not is_active("nanotdb") and code_of("systemctl", "is-enabled", "nanotdb") != 0)
    run(installer)
    check_installed()
    wait_until("drip's samples", lambda: samples("metrics", "mem.total"))
    pids = {unit: main_pid(unit) for unit in UNITS}
    run(installer)
    for unit in UNITS:
        want(f"{unit} is another process after an update", is_active(unit) and main_pid(unit) != pids[unit])
    print(run(installer, "--uninstall").splitlines()[-1])
    want("no service is left", all(is_unknown(unit) for unit in UNITS))
    want("data is kept", os.path.exists("/var/lib/nanotdb/metrics"))
    run(installer)
    check_installed()
    want("it has its samples again", samples("metrics", "mem.total"))
    mount_disk()
    run(installer, "--uninstall", "--purge")
    unmount_disk()
    run(installer, "--uninstall", "--purge")
    is_purged("install.sh --uninstall --purge, of services that run")


def check_by_hand():
    os.chdir("/repository")
    for block in ("sh by-hand-1", "sh by-hand-start-1"):
        run("sh", "-euc", pathlib.Path(f"/blocks/{block}").read_text())
    check_installed()
    wait_until("drip's samples", lambda: samples("metrics", "mem.total"))


def second():
    step("the machine starts again")
    check_started_again()
    step("upgrade")
    check_upgrade()
    step("one without the other")
    check_apart()
    step("remove, install again, purge")
    check_remove()
    run("apt-get", "-qq", "-o", "Dpkg::Use-Pty=0", "purge", "-y", *UNITS)
    is_purged("purge, of services that run")
    step("data on a disk of its own")
    install(versions()[1])
    mount_disk()
    run("apt-get", "-qq", "-o", "Dpkg::Use-Pty=0", "purge", "-y", *UNITS)
    unmount_disk()
    run("rm", "-rf", "/var/lib/nanotdb")
    is_purged("purge with a disk")
    step("install.sh")
    check_installer()
    step("by hand")
    check_by_hand()


if __name__ == "__main__":
    if sys.argv[1:] not in (["first"], ["second"]):
        sys.exit(__doc__)
    {"first": first, "second": second}[sys.argv[1]]()
