"use strict";
// Lists databases and metrics with their last values, and draws the chosen metric. Everything comes from /api/v1.
const POLL_MS = 5000;
const MOST_VALUES = 40; // last values fetched per round; the filter narrows longer lists
const $ = (id) => document.getElementById(id);
const state = { database: null, metric: null, names: [], point: null, drawn: 0 };

async function api(path, parameters = {}) {
  const query = new URLSearchParams(parameters).toString();
  const response = await fetch(`/api/v1/${path}${query ? `?${query}` : ""}`);
  const answer = await response.json();
  if (answer.status !== "success") throw new Error(answer.error || response.statusText);
  return answer.data;
}

function status(text, good) {
  $("status").textContent = text;
  $("status").className = good ? "good" : "bad";
}

function age(seconds) {
  if (seconds < 1) return "now";
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${Math.floor(seconds)} s`;
}

function count(n, noun) {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

function shown() {
  const wanted = $("filter").value.trim().toLowerCase();
  return state.names.filter((name) => name.toLowerCase().includes(wanted));
}

function rememberInAddress() {
  const parameters = new URLSearchParams({ db: state.database, metric: state.metric || "", range: $("range").value });
  history.replaceState(null, "", `#${parameters}`);
}

function listMetrics() {
  const rows = shown().map((name) => {
    const row = document.createElement("tr");
    row.dataset.name = name;
    row.classList.toggle("chosen", name === state.metric);
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => choose(name));
    const cells = [button, "", ""].map((content) => {
      const cell = document.createElement("td");
      cell.append(content);
      return cell;
    });
    cells[1].className = "number";
    row.append(...cells);
    return row;
  });
  $("metrics").replaceChildren(...rows);
}

async function choose(metric) {
  state.metric = metric;
  rememberInAddress();
  for (const row of $("metrics").children) row.classList.toggle("chosen", row.dataset.name === metric);
  await chart();
}

async function lastValues() {
  const rows = [...$("metrics").children].slice(0, MOST_VALUES);
  await Promise.all(rows.map(async (row) => {
    const { result } = await api("query", { db: state.database, query: row.dataset.name });
    if (!result.length) return;
    const [time, value] = result[0].value;
    row.cells[1].textContent = value;
    row.cells[2].textContent = age(Date.now() / 1000 - time);
  }));
}

async function chart() {
  if (!state.metric) return;
  const unit = { m: 60, h: 3600, d: 86400 }, range = $("range").value;
  const span = parseInt(range, 10) * unit[range.slice(-1)];
  const to = Math.floor(Date.now() / 1000), from = to - span;
  const window = Math.max(1, Math.ceil(span / Math.max(100, $("plot").clientWidth / 2)));
  const drawing = ++state.drawn;
  const { result } = await api("query_range", {
    db: state.database, query: state.metric, start: from, end: to, timestamp_unit: "s",
    aggregate: "avg,min,max", window: `${window}s`,
  });
  if (drawing !== state.drawn) return; // a later choice was answered first
  const column = (name) => result.find((s) => s.metric.aggregate === name)?.values ?? [];
  const low = column("min"), high = column("max");
  const rows = column("avg").map(([time, value], i) => [time, +value, +low[i][1], +high[i][1]]);
  $("title").textContent = `${state.database}/${state.metric}`;
  const steps = rows.slice(1).map((row, i) => row[0] - rows[i][0]).sort((a, b) => a - b);
  const usual = steps[Math.floor(steps.length / 2)] || window;
  state.point = Chart.draw($("plot"), rows, from, to, 3 * Math.max(usual, window));
}

function point(event) {
  if (!state.point) return;
  const [time, value, low, high] = state.point(event.clientX);
  const spread = low === high ? "" : ` (${low} to ${high})`;
  $("readout").textContent = `${new Date(time * 1000).toLocaleString()}: ${value}${spread}`;
}

async function refresh() {
  const { result: databases } = await api("databases");
  const select = $("database");
  if ([...select.options].map((o) => o.value).join("\n") !== databases.join("\n")) {
    select.replaceChildren(...databases.map((name) => new Option(name, name)));
  }
  if (!databases.includes(state.database)) state.database = databases[0] ?? null;
  if (state.database !== null) select.value = state.database;
  const names = state.database === null ? [] : (await api("metrics", { db: state.database })).result;
  if (names.join("\n") !== state.names.join("\n")) {
    state.names = names;
    listMetrics();
  }
  $("empty").hidden = names.length > 0;
  if (!names.includes(state.metric)) state.metric = names[0] ?? null;
  await Promise.all([lastValues(), chart()]);
  for (const row of $("metrics").children) row.classList.toggle("chosen", row.dataset.name === state.metric);
  const where = state.database === null ? "" : `, ${count(names.length, "metric")} in ${state.database}`;
  status(`${count(databases.length, "database")}${where}`, true);
}

async function guarded(work) {
  try { await work(); } catch (error) { status(`not up to date: ${error.message}`, false); }
}

async function poll() {
  if (!document.hidden) await guarded(refresh);
  setTimeout(poll, POLL_MS);
}

const saved = new URLSearchParams(location.hash.slice(1));
state.database = saved.get("db");
state.metric = saved.get("metric") || null;
if (saved.get("range")) $("range").value = saved.get("range");
if (!$("range").value) $("range").value = "1h";
$("hint").textContent = `curl -X POST ${location.origin}/api/v1/import -d 'demo/room.temp 21.5'`;
$("database").addEventListener("change", () => {
  state.database = $("database").value;
  state.metric = null;
  guarded(refresh).then(rememberInAddress);
});
$("filter").addEventListener("input", () => { listMetrics(); guarded(lastValues); });
$("range").addEventListener("change", () => { rememberInAddress(); guarded(chart); });
$("plot").addEventListener("pointermove", point);
$("plot").addEventListener("pointerdown", point);
addEventListener("resize", () => guarded(chart));
poll();
