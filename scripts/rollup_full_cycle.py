#!/usr/bin/env python3
"""Makes the data of rollup_full_cycle_check.sh, and computes what its rollups must be: without the engine.

    rollup_full_cycle.py generate|compare WORK DATA HOURS METRICS CADENCE GAP_METRICS CASCADES
"""

import array
import bisect
import csv
import datetime
import json
import math
import pathlib
import sys

SECOND = 1_000_000_000
HOUR = 3_600
DAY = 24 * HOUR
WEEK = 7 * DAY
# 2024-01-01T00:00:00Z. A fixed time in the past: every bucket is over.
START = 1_704_067_200
SOURCE = "cycle"
AGGREGATES = ["min", "max", "sum", "avg", "count"]
# Databases, width of their buckets, and what they are made from.
LEVELS = [("cycle_1h", HOUR, "*"), ("cycle_1d", DAY, "*.avg"), ("cycle_1w", WEEK, "*.max")]
# Results of decimals have fourteen digits; those of a cascade are made from such.
FOURTEEN_DIGITS = 1e-13


def utc(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Scenario:
    def __init__(self, work, data, hours, metrics, cadence, gap_metrics, cascades):
        self.work, self.data = pathlib.Path(work), pathlib.Path(data)
        self.hours, self.count, self.cadence = int(hours), int(metrics), int(cadence)
        self.gap_count, self.cascades = int(gap_metrics), int(cascades)
        self.end = START + self.hours * HOUR
        plain = [f"temp.probe{i:02}" for i in range(self.count - self.gap_count)]
        gaps = [f"temp.gap_probe{i:02}" for i in range(self.gap_count)]
        self.names = plain + gaps
        self.gaps = {name: self.windows(i) for i, name in enumerate(gaps)}
        self.levels = LEVELS[: 1 + self.cascades]

    def windows(self, number):
        """When a metric is silent, every day: over a whole hour and parts of two, over part of an hour, and over midnight."""
        found = []
        for day in range(START, self.end, DAY):
            shift = number * 7 * 60
            for begin, length in [(5 * HOUR + 1200 + shift, 9_000), (13 * HOUR + 600 + shift, 900), (DAY - 900 + shift, 1_800)]:
                if day + begin < self.end:
                    found.append((day + begin, min(day + begin + length, self.end)))
        return found

    def times(self, name, begin, end):
        """The times of a metric's samples in [begin, end)."""
        first = START + -(-(begin - START) // self.cadence) * self.cadence
        windows = self.gaps.get(name)
        times = range(first, end, self.cadence)
        if not windows:
            return times
        starts = [window[0] for window in windows]

        def silent(at):
            before = bisect.bisect_right(starts, at) - 1
            return before >= 0 and at < windows[before][1]

        return [at for at in times if not silent(at)]

    def value(self, number, at):
        """Something between a daily curve and noise, with two decimals, without a random generator."""
        noise = (at * 2_654_435_761 + number * 40_503) % 1_000_003
        curve = 1_500 + 900 * math.sin((at % DAY) / DAY * 2 * math.pi + number)
        return (int(curve) + noise % 211 - 105) / 100

    def buckets(self):
        """For each hour, each metric's times and values, decimals as they are sent."""
        for begin in range(START, self.end, HOUR):
            end = min(begin + HOUR, self.end)
            hour = {}
            for number, name in enumerate(self.names):
                times = self.times(name, begin, end)
                hour[name] = (times, array.array("d", (self.value(number, at) for at in times)))
            yield begin, hour

    # -- generate

    def generate(self):
        self.write_manifests()
        self.write_gaps()
        points = {name: 0 for name in self.names}
        with open(self.work / "input.lp", "w", buffering=1 << 20) as out:
            for begin in range(START, self.end, HOUR):
                end = min(begin + HOUR, self.end)
                lines = []
                for number, name in enumerate(self.names):
                    times = self.times(name, begin, end)
                    points[name] += len(times)
                    prefix = f"{SOURCE}/{name} "
                    lines.extend((at, f"{prefix}{self.value(number, at):.2f} {at}000000000\n") for at in times)
                lines.sort(key=lambda line: line[0])
                out.writelines(line for _, line in lines)
        print(f"{sum(points.values())} samples of {self.count} metrics over {self.hours} h in {self.work / 'input.lp'}")

    def write_manifests(self):
        databases = [SOURCE] + [level[0] for level in self.levels]
        names = {HOUR: "1h", DAY: "1d", WEEK: "1w"}
        for database, (destination, width, pattern) in zip(databases, self.levels):
            directory = self.data / database
            directory.mkdir(parents=True)
            partition = "day" if database == SOURCE else "month"
            manifest = f"""\
[retention]
partition = "{partition}"

[rollups]
enabled = true
default_interval = "{names[width]}"
default_destination_db = "{destination}"
default_aggregates = {json.dumps(AGGREGATES)}

[[rollups.jobs]]
id = "{names[width]}"
source_pattern = "{pattern}"
"""
            (directory / "manifest.toml").write_text(manifest)

    def write_gaps(self):
        with open(self.work / "known_gaps.csv", "w", newline="") as out:
            table = csv.writer(out)
            table.writerow(["metric", "start", "end", "start_ns", "end_ns", "missing_samples"])
            for name, windows in self.gaps.items():
                for begin, end in windows:
                    first = START + -(-(begin - START) // self.cadence) * self.cadence
                    missing = len(range(first, end, self.cadence))
                    table.writerow([name, utc(begin), utc(end), begin * SECOND, end * SECOND, missing])

    # -- compare

    def expected(self):
        """Results of each database: (database, metric, start) -> value as float64. And what the source holds."""
        statistics = {name: {"points": 0, "min": math.inf, "max": -math.inf, "buckets_1h": 0} for name in self.names}
        level = {}
        for begin, hour in self.buckets():
            for name, (times, values) in hour.items():
                if values:
                    self.add(level, self.levels[0], name, begin, values)
                    known = statistics[name]
                    known["points"] += len(times)
                    known["min"], known["max"] = min(known["min"], min(values)), max(known["max"], max(values))
                    known["buckets_1h"] += 1
        results = [level]
        for before, (database, width, pattern) in zip(self.levels, self.levels[1:]):
            suffix = pattern.removeprefix("*")
            series = {}
            for (_, name, start), value in results[-1].items():
                if name.endswith(suffix):
                    # What the database in between stores.
                    bucket = start // width * width
                    series.setdefault((name, bucket), []).append((start, value))
            level = {}
            for (name, bucket), rows in series.items():
                self.add(level, (database, width, pattern), name, bucket, [value for _, value in sorted(rows)])
            results.append(level)
        merged = {}
        for level in results:
            merged.update(level)
        return merged, statistics

    @staticmethod
    def add(level, to, name, bucket, values):
        total = math.fsum(values)
        results = [min(values), max(values), total, total / len(values), len(values)]
        for aggregate, result in zip(AGGREGATES, results):
            level[(to[0], f"{name}.{aggregate}", bucket)] = result

    def exported(self):
        found, doubled = {}, 0
        for database, _, _ in self.levels:
            with open(self.work / f"{database}.export.lp") as lines:
                for line in lines:
                    if line.startswith("#"):
                        continue
                    series, value, time = line.rstrip("\n").split(" ", 2)
                    at = datetime.datetime.strptime(time.split(".")[0], "%Y-%m-%d %H:%M:%S")
                    seconds = int(at.replace(tzinfo=datetime.timezone.utc).timestamp())
                    key = (*series.split("/", 1), seconds)
                    doubled += key in found
                    found[key] = float(value.removesuffix("i"))
        return found, doubled

    def compare(self):
        expected, statistics = self.expected()
        found, doubled = self.exported()
        wrong = [f"{doubled} results are there twice"] if doubled else []
        for key in sorted(expected.keys() - found.keys())[:10]:
            wrong.append(f"missing: {key}")
        for key in sorted(found.keys() - expected.keys())[:10]:
            wrong.append(f"unexpected: {key} = {found[key]}")
        differences = 0
        for key in expected.keys() & found.keys():
            exact = key[1].rsplit(".", 1)[1] in ("min", "max", "count")
            wanted = expected[key]
            allowed = 0 if exact and key[0] == LEVELS[0][0] else abs(wanted) * FOURTEEN_DIGITS
            if abs(found[key] - wanted) > allowed:
                differences += 1
                if differences <= 10:
                    wrong.append(f"differs: {key}: {found[key]}, not {wanted}")
        imported = json.loads((self.work / "import_report.json").read_text())
        points = sum(metric["points"] for metric in statistics.values())
        if imported.get("accepted") != points:
            wrong.append(f"{imported.get('imported')} samples were imported, not {points}")
        counts = {}
        for database, _, _ in self.levels:
            counts[database] = sum(1 for key in expected if key[0] == database)
        self.write_summary(statistics, points, counts, wrong, differences)
        for line in wrong:
            print(line, file=sys.stderr)
        results = ", ".join(f"{count} in {database}" for database, count in counts.items())
        if wrong:
            print(f"FAILED: {points} samples, results expected: {results}", file=sys.stderr)
            return 1
        print(f"OK: {points} samples; results as expected: {results}")
        return 0

    def write_summary(self, statistics, points, counts, wrong, differences):
        seconds = self.hours * HOUR
        missing = sum(len(range(begin, end, self.cadence)) for windows in self.gaps.values() for begin, end in windows)
        summary = {
            "passed": not wrong,
            "problems": wrong,
            "differences": differences,
            "duration_hours": self.hours,
            "start": utc(START),
            "end": utc(self.end),
            "cadence_seconds": self.cadence,
            "metrics": self.count,
            "gap_metrics": self.gap_count,
            "gap_windows": sum(len(windows) for windows in self.gaps.values()),
            "cascades": self.cascades,
            "points": points,
            "points_missing_in_gaps": missing,
            "points_per_second": points / seconds,
            "points_per_metric_per_hour": HOUR / self.cadence,
            "aggregates": AGGREGATES,
            "rollup_samples": counts,
            "per_metric": statistics,
        }
        (self.work / "scenario_summary.json").write_text(json.dumps(summary, indent=2) + "\n")
        rows = "\n".join(
            f"| {name} | {s['points']} | {s['buckets_1h']} | {s['min']:.2f} | {s['max']:.2f} |" for name, s in statistics.items()
        )
        results = "\n".join(f"- `{database}`: {count} samples" for database, count in counts.items())
        problems = "\n".join(f"- {line}" for line in wrong) or "none"
        text = f"""\
# Rollup full-cycle check: {"passed" if not wrong else "FAILED"}

{self.count} metrics, one sample every {self.cadence} s, {self.hours} hours from {utc(START)}: {points} samples
({points / seconds:.2f} a second). {self.gap_count} metrics have gaps ({summary["gap_windows"]} windows, known_gaps.csv).

Rolled up by `nanocli rollup`, exported, and compared with a computation that does not use the engine:

{results}

Problems: {problems}

| metric | samples | hours with samples | min | max |
|---|---|---|---|---|
{rows}
"""
        (self.work / "SCENARIO.md").write_text(text)


def main():
    verb, *arguments = sys.argv[1:]
    scenario = Scenario(*arguments)
    if verb == "generate":
        scenario.generate()
        return 0
    return scenario.compare()


if __name__ == "__main__":
    sys.exit(main())
