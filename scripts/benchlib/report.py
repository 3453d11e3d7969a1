"""Collects measured rows; prints them as a Markdown table and writes them as JSON."""

import json
import platform
import statistics
import time


class Report:
    """Rows of `figure by server`; a figure is kept with every value that its median was taken from."""

    def __init__(self):
        self.rows = {}
        self.notes = []
        self.begun = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def add(self, row, unit, server, values, higher_is_better=False):
        """`values`: one number or the numbers of several runs."""
        values = [values] if isinstance(values, (int, float)) else list(values)
        entry = self.rows.setdefault(row, {"unit": unit, "higher_is_better": higher_is_better, "servers": {}})
        entry["servers"][server] = {"median": statistics.median(values), "values": values}
        print(f"  {row}: {server} {statistics.median(values):,.4g} {unit}", flush=True)

    def note(self, text):
        self.notes.append(text)
        print(f"  note: {text}", flush=True)

    @staticmethod
    def shown(value):
        if value is None:
            return "-"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"

    def markdown(self):
        """A ratio above 1 always means that ours is the better one."""
        lines = ["| | unit | ours | VM | Influx | ours / VM | ours / Influx |", "|---|---|---:|---:|---:|---:|---:|"]
        machine = ["", "| this machine, and the load client | unit | |", "|---|---|---:|"]
        for name, entry in self.rows.items():
            if "machine" in entry["servers"]:
                shown = self.shown(entry["servers"]["machine"]["median"])
                machine.append(f"| {name.removeprefix('machine: ')} | {entry['unit']} | {shown} |")
                continue
            of = {server: figures["median"] for server, figures in entry["servers"].items()}
            cells = [self.shown(of.get(server)) for server in ("nanotdb", "vm", "influx")]
            for other in ("vm", "influx"):
                ours, theirs = of.get("nanotdb"), of.get(other)
                if not ours or not theirs:
                    cells.append("-")
                else:
                    cells.append(f"{ours / theirs if entry['higher_is_better'] else theirs / ours:.2f} x")
            lines.append(f"| {name} | {entry['unit']} | " + " | ".join(cells) + " |")
        return "\n".join((lines if len(lines) > 2 else []) + (machine if len(machine) > 3 else []))

    def write(self, path, versions):
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {"begun": self.begun, "machine": platform.platform(), "versions": versions,
                    "rows": self.rows, "notes": self.notes}
        path.write_text(json.dumps(document, indent=1) + "\n")
