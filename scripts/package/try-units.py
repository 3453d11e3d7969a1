#!/usr/bin/env python3
"""Runs the services of nanotdb and drip as systemd would, from the units that are installed, where systemd does not run.

    try-units.py [--root DIR] [--sandbox | --own-network] [--marker new|old]

Starts each unit's ExecStart with a NOTIFY_SOCKET that is answered, and wants READY=1, WATCHDOG=1, a sample of drip in
nanotdb, and after SIGTERM STOPPING=1 and exit code 0.

--root DIR   units, programs, configuration and data are below DIR; in the configuration, a free port takes the place
             of 8428. Without it, those of this machine (or chroot) are run, unchanged.
--sandbox    with what the units say of users, capabilities, system calls, address families and writable directories.
             Needs root, systemd-analyze and Python's seccomp module; uses a network of its own.
--own-network  that alone, of what --sandbox does: in an emulator there is no confinement
--marker     new: import a sample of our own; old: want that sample of an earlier run.
"""

import argparse, ctypes, grp, json, os, pathlib, pwd, re, shlex, signal, socket, struct, subprocess, sys, threading, time
import urllib.error, urllib.request

UNIT_DIRECTORIES = ["etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"]
PATIENCE = 60
# Told to the programs instead of WatchdogSec, so that two beats take two seconds.
WATCHDOG_USEC = 2_000_000
MARKER = "keep/marker"
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, CAPABILITIES = 24, 38, 41
DYNAMIC_UID = 61184  # the first of those that systemd gives


def die(text):
    sys.exit(f"try-units: {text}")


class Unit:
    """A unit file: `get` is the last value of a key, `all` each of them."""

    def __init__(self, root, name):
        self.root, self.name = root, name
        found = [root / d / f"{name}.service" for d in UNIT_DIRECTORIES]
        self.path = next((path for path in found if path.exists()), None)
        if not self.path:
            die(f"no {name}.service in {', '.join(map(str, found))}")
        self.values = {}
        for line in self.path.read_text().splitlines():
            key, equals, value = line.partition("=")
            if equals and not line.startswith(("#", ";", "[")):
                self.values.setdefault(key.strip(), []).append(value.strip())

    def all(self, key):
        return self.values.get(key, [])

    def get(self, key):
        return (self.all(key) or [""])[-1]

    def under_root(self, word):
        return str(self.root / word[1:]) if word.startswith("/") else word

    def command(self):
        return [self.under_root(word) for word in shlex.split(self.get("ExecStart"))]

    def state_directory(self):
        return self.root / "var/lib" / self.get("StateDirectory")


class Service:
    """A unit that runs. Messages are (pid, text)."""

    def __init__(self, unit, sandbox):
        self.unit, self.messages = unit, []
        if unit.get("Type") != "notify":
            die(f"{unit.path}: Type=notify is expected")
        for path in filter(None, unit.all("AssertPathExists")):
            if not os.path.exists(unit.under_root(path)):
                die(f"{unit.path}: AssertPathExists={path} does not hold")
        path = (pathlib.Path("/run") if sandbox else unit.root) / f"notify-{unit.name}"
        path.unlink(missing_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind(str(path))
        path.chmod(0o777)
        state = unit.state_directory()
        state.mkdir(parents=True, exist_ok=True)
        env = {
            "PATH": "/usr/bin:/bin",
            "NOTIFY_SOCKET": str(path),
            "WATCHDOG_USEC": str(WATCHDOG_USEC),
            "STATE_DIRECTORY": str(state),
        }
        command = unit.command()
        if sandbox:
            command = [sys.executable, __file__, "--exec", json.dumps(Sandbox(unit).__dict__), "--", *command]
        self.process = subprocess.Popen(command, env=env, cwd="/", stdin=subprocess.DEVNULL)
        # On a thread: who sends to a socket that is full waits.
        threading.Thread(target=self.receive, daemon=True).start()

    def receive(self):
        while True:
            text, ancillary, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(12))
            pid = next((struct.unpack("3i", data)[0] for _, _, data in ancillary), None)
            self.messages.append((pid, text.decode()))

    def said(self, what):
        """How often; NotifyAccess=main: what other processes say does not count."""
        return sum(pid == self.process.pid and what in text.splitlines() for pid, text in self.messages)

    def wait_for(self, what, times=1):
        """Until `what` has been said, so many times in all."""
        end = time.monotonic() + PATIENCE
        while self.said(what) < times:
            ended = self.process.poll()
            time.sleep(0.05)  # also for what an ended process said last
            if self.said(what) >= times:
                return
            if ended is not None:
                die(f"{self.unit.name}: ended with {ended} before {what}; it said {self.messages}")
            if time.monotonic() > end:
                die(f"{self.unit.name}: no {what} within {PATIENCE} s; it said {self.messages}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.wait_for("STOPPING=1")
        seconds = {"": 1, "s": 1, "min": 60}
        amount, word = re.fullmatch(r"(\d+)(s|min|)", self.unit.get("TimeoutStopSec")).groups()
        code = self.process.wait(int(amount) * seconds[word])
        if code != 0:
            die(f"{self.unit.name}: exit code {code} after SIGTERM")

    def check_confinement(self):
        status = dict(
            line.split(":\t", 1) for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        )
        expected = {"NoNewPrivs": "1", "Seccomp": "2", "CapBnd": "0" * 16, "CapEff": "0" * 16}
        found = {key: status[key] for key in expected}
        if found != expected or status["Uid"].startswith("0\t"):
            die(f"{self.unit.name}: not confined: {found}, user {status['Uid']}")


class Sandbox:
    """What a unit says of confinement, as `confine` takes it."""

    def __init__(self, unit):
        if unit.get("DynamicUser") == "yes":
            self.uid = self.gid = DYNAMIC_UID
        else:
            self.uid, self.gid = pwd.getpwnam(unit.get("User")).pw_uid, grp.getgrnam(unit.get("Group")).gr_gid
        self.state = str(unit.state_directory())
        os.chown(self.state, self.uid, self.gid)
        os.chmod(self.state, int(unit.get("StateDirectoryMode"), 8))
        self.umask = int(unit.get("UMask"), 8)
        self.files = int(unit.get("LimitNOFILE") or 1024)
        calls = set()
        for line in unit.all("SystemCallFilter"):
            named = set().union(*(system_calls(word) for word in line.lstrip("~").split()))
            calls = calls - named if line.startswith("~") else calls | named
        self.calls = sorted(calls)
        self.families = [getattr(socket, word) for word in unit.get("RestrictAddressFamilies").split()]
        wanted = {
            "CapabilityBoundingSet": "",
            "NoNewPrivileges": "yes",
            "ProtectSystem": "strict",
            "MemoryDenyWriteExecute": "yes",
        }
        for key, value in wanted.items():
            if unit.all(key) != [value]:
                die(f"{unit.path}: {key}={value} is expected, and is what is tried here")


def system_calls(word):
    """The names that a word of SystemCallFilter= stands for."""
    if not word.startswith("@"):
        return {word}
    listing = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter", word], check=True, capture_output=True, text=True
    ).stdout
    inner = [line.strip() for line in listing.splitlines() if line.startswith(" ") and "#" not in line]
    return set().union(*(system_calls(name) for name in inner))


def libc_call(name, *args):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*args) != 0:
        raise OSError(ctypes.get_errno(), f"{name}{args}: {os.strerror(ctypes.get_errno())}")


def confine(box, command):
    """Becomes `command`, confined."""
    import resource, seccomp

    libc_call("unshare", CLONE_NEWNS)
    libc_call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    state = box["state"].encode()
    libc_call("mount", state, state, None, MS_BIND, None)
    for temporary in (b"/tmp", b"/var/tmp"):
        libc_call("mount", b"tmpfs", temporary, b"tmpfs", 0, b"mode=1777")
    libc_call("mount", None, b"/", None, MS_REMOUNT | MS_BIND | MS_RDONLY, None)
    resource.setrlimit(resource.RLIMIT_NOFILE, (box["files"], box["files"]))
    os.umask(box["umask"])
    for capability in range(CAPABILITIES):
        libc_call("prctl", PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([])
    os.setresgid(box["gid"], box["gid"], box["gid"])
    os.setresuid(box["uid"], box["uid"], box["uid"])
    libc_call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)

    # systemd would answer with EPERM; here it is to be seen that nothing needs what is refused.
    refuse = seccomp.SyscallFilter(seccomp.KILL_PROCESS)
    # For each: the argument, the bits of it, and what these may be.
    writable_and_executable = [(2, 6, 0), (2, 6, 2), (2, 6, 4)]
    partly = {
        "mmap": writable_and_executable,
        "mprotect": [(2, 4, 0)],
        "pkey_mprotect": [(2, 4, 0)],
        "socket": [(0, 0xFFFFFFFF, family) for family in box["families"]],
    }
    for call in box["calls"]:
        if seccomp.resolve_syscall(seccomp.Arch(), call) < 0:
            continue  # of another processor
        for argument, mask, value in partly.get(call, []):
            refuse.add_rule(seccomp.ALLOW, call, seccomp.Arg(argument, seccomp.MASKED_EQ, mask, value))
        if call not in partly:
            refuse.add_rule(seccomp.ALLOW, call)
    refuse.load()
    os.execve(command[0], command, dict(os.environ, WATCHDOG_PID=str(os.getpid())))


def own_network():
    """A network with nothing but lo, which is up."""
    libc_call("unshare", CLONE_NEWNET)
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        SIOCSIFFLAGS, IFF_UP = 0x8914, 1
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def port_of(root, with_free_port):
    engine, drip = root / "etc/nanotdb/engine.toml", root / "etc/drip.toml"
    if with_free_port:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        for path in (engine, drip):
            text, count = re.subn(r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}", path.read_text())
            if count != 1:
                die(f"{path} names {count} addresses, not one")
            path.write_text(text)
    return int(re.search(r'^listen = ".*:(\d+)"', engine.read_text(), re.M).group(1))


def ask(port, path, body=None):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}{path}", data=body, timeout=10) as answer:
        return answer.read().decode()


def last_value(port, database, metric):
    """None while there is none."""
    try:
        answer = ask(port, f"/api/v1/query?db={database}&query={metric}")
    except urllib.error.HTTPError as e:
        if e.code in (400, 404):  # there is no such database or metric yet
            return None
        raise
    result = json.loads(answer)["data"]["result"]
    return result[0]["value"][1] if result else None


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--root", type=pathlib.Path)
    arguments.add_argument("--sandbox", action="store_true")
    arguments.add_argument("--own-network", action="store_true")
    arguments.add_argument("--marker", choices=["new", "old"])
    options = arguments.parse_args()
    root = (options.root or pathlib.Path("/")).resolve()
    if options.sandbox or options.own_network:
        own_network()
    port = port_of(root, options.root is not None)
    running = []
    try:
        nanotdb = Service(Unit(root, "nanotdb"), options.sandbox)
        running.append(nanotdb)
        nanotdb.wait_for("READY=1")
        drip = Service(Unit(root, "drip"), options.sandbox)
        running.append(drip)
        drip.wait_for("READY=1")
        for service in running:
            service.wait_for("WATCHDOG=1", times=2)
            if options.sandbox:
                service.check_confinement()
        began = time.monotonic()
        while not (value := last_value(port, "metrics", "mem.total")):
            if time.monotonic() - began > PATIENCE:
                die(f"no sample of drip within {PATIENCE} s")
            time.sleep(0.2)
        total = pathlib.Path("/proc/meminfo").read_text().split()[1]
        if value != total:
            die(f"mem.total is {value}, /proc/meminfo says {total}")
        if options.marker == "new":
            # More than a page, of a day that is over: pages are written, and a metric file is built.
            begin = time.time_ns() - 3 * 86_400 * 10**9
            ask(port, "/api/v1/import", "".join(f"{MARKER} 42 {begin + n * 10**6}\n" for n in range(40_000)).encode())
        if options.marker and last_value(port, "keep", "marker") != "42":
            die(f"{MARKER} of the earlier run is not there")
        drip.stop()
        nanotdb.stop()
    finally:
        for service in running:
            if service.process.poll() is None:
                service.process.kill()
                service.process.wait()
    how = "confined as the units say" if options.sandbox else "not confined"
    print(f"units: READY, WATCHDOG, mem.total = {value} from drip, STOPPING, exit code 0; {how}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--exec"]:
        confine(json.loads(sys.argv[2]), sys.argv[4:])
    main()
