#!/usr/bin/env python3
"""Tries nanotdb, nanocli and drip of a directory, here or in an emulator.

    try-programs.py [--other NANOCLI] DIR [EMULATOR...]

Imports over HTTP, kills the server with SIGKILL, starts it again and wants every sample that was acknowledged, its
pages and those of `drip --once`; stops it; `nanocli verify` has to find nothing wrong, and `nanocli query` the same samples.

--other NANOCLI   a nanocli of another build, for this machine: has to find the same in what these programs have written
"""

import argparse, pathlib, socket, subprocess, sys, tempfile, time, urllib.request

PORTS = range(19200, 19300)
PATIENCE = 120
DAY = 1_700_000_000 // 86_400 * 86_400


def want(what, holds):
    if not holds:
        sys.exit(f"try-programs: FAILED: {what}")


def free_port():
    for port in PORTS:
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            pass
    sys.exit("try-programs: no port is free")


def run(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    want(f"{' '.join(command)}: code {done.returncode}: {done.stderr}", done.returncode == 0)
    return done.stdout


class Server:
    running = []

    def __init__(self, command, data):
        self.port = free_port()
        self.log = open(data.parent / "log", "a")
        listen = f"127.0.0.1:{self.port}"
        self.process = subprocess.Popen([*command, "--data", str(data), "--listen", listen], stderr=self.log, stdout=self.log)
        Server.running.append(self.process)
        end = time.monotonic() + PATIENCE
        while not self.answers():
            text = (data.parent / "log").read_text()
            want(f"the server answers; it said: {text}", time.monotonic() < end and self.process.poll() is None)
            time.sleep(0.1)

    def ask(self, path, body=None):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", data=body, timeout=PATIENCE) as answer:
            return answer.read().decode()

    def answers(self):
        try:
            return self.ask("/api/v1/databases")
        except OSError:
            return False

    def end(self, by):
        by()
        return self.process.wait(PATIENCE)


def lines(begin, count):
    """Floats, integers, and integers that do not fit 32 bits."""
    for i in range(begin, begin + count):
        at = (DAY + i) * 10**9
        yield f"tried/float {i}.25 {at}\ntried/int {-i} {at}\ntried/big {2**53 + i} {at}\n"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--other")
    arguments.add_argument("directory", type=pathlib.Path)
    arguments.add_argument("emulator", nargs="*")
    options = arguments.parse_args()
    program = {name: [*options.emulator, str(options.directory / name)] for name in ("nanotdb", "nanocli", "drip")}
    with tempfile.TemporaryDirectory() as directory:
        data = pathlib.Path(directory) / "data"
        run(*program["nanotdb"], "--init", "--data", str(data))
        server = Server(program["nanotdb"], data)
        begin, acknowledged = time.monotonic(), 0
        for batch in range(10):
            answer = server.ask("/api/v1/import", "".join(lines(batch * 2000, 2000)).encode())
            want(f"6000 samples are taken: {answer}", '"imported":6000' in answer)
            acknowledged += 6000
        seconds = time.monotonic() - begin
        want("it is killed", server.end(server.process.kill) == -9)
        server = Server(program["nanotdb"], data)
        want("it has pages", "<script" in server.ask("/"))
        once = run(*program["drip"], "--once")
        answer = server.ask("/api/v1/import", once.encode())
        want(f"the server takes what drip collects: {answer}", f'"imported":{len(once.splitlines())}' in answer)
        want("it stops at SIGTERM", server.end(server.process.terminate) == 0)
        database = run(*program["nanocli"], "export", "--root", str(data), "--db", "tried")
        kept = "".join(sorted(line for line in database.splitlines(keepends=True) if line.startswith("tried/")))
        want("everything acknowledged is there", all(text in kept for text in ("tried/float 19999.25", "tried/int -19999", f"tried/big {2**53 + 19_999}")))
        want(f"{acknowledged} samples are there, not {kept.count('tried/')}", kept.count("tried/") == acknowledged)
        run(*program["nanocli"], "build", "metric", "--root", str(data), "--db", "tried")
        run(*program["nanocli"], "verify", "--root", str(data))
        query = ["query", "--root", str(data), "--db", "tried", "--metric", ".", "--start", "1970-01-01", "--format", "csv"]
        found = run(*program["nanocli"], *query)
        want("a query finds as many", len(found.splitlines()) == acknowledged + 1)
        if options.other:
            run(options.other, "verify", "--root", str(data))
            want(f"{options.other} finds the same", run(options.other, *query) == found)
        print(f"import of {acknowledged} samples in {seconds:.1f} s, SIGKILL, restart: {acknowledged} there; pages; {len(once.splitlines())} samples of drip;"
              f" verify and query{', the same with the other nanocli' if options.other else ''}")


if __name__ == "__main__":
    try:
        main()
    finally:
        for process in Server.running:
            if process.poll() is None:
                process.kill()
