#!/usr/bin/env bash
# The whole way of rollups, deterministic: made-up line protocol -> import -> rollups -> export -> compared with what an
# independent computation expects of them.
#
# Usage: scripts/rollup_full_cycle_check.sh [ROOT_DIR [HOURS [METRICS [CADENCE_SECONDS [GAP_METRICS [CASCADES]]]]]]
#
#   ROOT_DIR         where everything goes; ROOT_DIR/work and ROOT_DIR/data are made anew (default test-data/full-cycle-check)
#   HOURS            length of the data (30)
#   METRICS          number of metrics (10)
#   CADENCE_SECONDS  seconds between samples (10)
#   GAP_METRICS      how many of the metrics have gaps (2)
#   CASCADES         further rollups of the hourly ones, 0 to 2: days, and weeks of those days (0, or $ROLLUP_CASCADES)
#
# The binaries are those of $NANOTDB_BIN_DIR, else of target/release, else of target/debug.
# Left behind in ROOT_DIR/work: scenario_summary.json, known_gaps.csv, SCENARIO.md, input.lp, rollup_report.json, *.export.lp
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)

fail() {
  echo "rollup_full_cycle_check: $*" >&2
  exit 2
}

[ $# -le 6 ] || fail "at most 6 arguments; the script's first lines explain them"
root=${1:-test-data/full-cycle-check}
hours=${2:-30}
metrics=${3:-10}
cadence=${4:-10}
gaps=${5:-2}
cascades=${6:-${ROLLUP_CASCADES:-0}}

for pair in "duration-hours=$hours" "metrics=$metrics" "cadence-seconds=$cadence" "gap-metrics=$gaps" "cascades=$cascades"; do
  [[ ${pair#*=} =~ ^[0-9]{1,9}$ ]] || fail "${pair%%=*} = '${pair#*=}': a whole number is accepted"
done
[ "$hours" -ge 1 ] || fail "duration-hours = $hours: 1 or more is accepted"
[ "$metrics" -ge 1 ] || fail "metrics = $metrics: 1 or more is accepted"
if [ "$cadence" -lt 1 ] || [ "$cadence" -gt 3600 ]; then fail "cadence-seconds = $cadence: 1 to 3600 is accepted"; fi
[ "$gaps" -le "$metrics" ] || fail "gap-metrics = $gaps: at most metrics = $metrics is accepted"
[ "$cascades" -le 2 ] || fail "cascades = $cascades: 0, 1 or 2 is accepted"

nanocli=
for dir in "${NANOTDB_BIN_DIR:-}" "$here/target/release" "$here/target/debug"; do
  if [ -n "$dir" ] && [ -x "$dir/nanocli" ]; then
    nanocli=$dir/nanocli
    break
  fi
done
[ -n "$nanocli" ] || fail "no nanocli in \$NANOTDB_BIN_DIR, target/release or target/debug; build it: cargo build --release -p nanotdb-cli"

work=$root/work
data=$root/data
rm -rf "$work" "$data"
mkdir -p "$work" "$data"
scenario=("$here/scripts/rollup_full_cycle.py" "$work" "$data" "$hours" "$metrics" "$cadence" "$gaps" "$cascades")

python3 "${scenario[0]}" generate "${scenario[@]:1}"
"$nanocli" import --root "$data" --in "$work/input.lp" --json >"$work/import_report.json"
"$nanocli" rollup --root "$data" --json >"$work/rollup_report.json"
for destination in "$data"/cycle_*; do
  name=$(basename "$destination")
  "$nanocli" export --root "$data" --db "$name" --out "$work/$name.export.lp"
done
"$nanocli" verify --root "$data" >"$work/verify.txt"
python3 "${scenario[0]}" compare "${scenario[@]:1}"
