"use strict";
// A line with its min/max band as SVG. Times are Unix seconds; a distance of more than `gap` seconds is left open.
const Chart = (() => {
  const MARGIN = { left: 64, right: 12, top: 8, bottom: 26 };

  function node(name, attributes, text) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    return element;
  }

  // A round distance between grid lines: 1, 2 or 5 times a power of ten.
  function niceStep(span, count) {
    const rough = span / count, power = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  }

  // Distances between time labels, in seconds.
  const TIME_STEPS = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 345600, 604800];

  // Full minutes, hours or days of the reader's clock, at most `count` of them.
  function timeTicks(from, to, count) {
    const step = TIME_STEPS.find((s) => (to - from) / s <= count) ?? (to - from) / count;
    const offset = -60 * new Date(from * 1000).getTimezoneOffset();
    const ticks = [];
    for (let t = Math.ceil((from + offset) / step) * step - offset; t <= to; t += step) ticks.push(t);
    return ticks;
  }

  function timeLabel(seconds, span) {
    const date = new Date(seconds * 1000);
    return span > 172800
      ? date.toLocaleDateString([], { month: "short", day: "numeric" })
      : date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  }

  // Rows are [time, value, low, high].
  function draw(svg, rows, from, to, gap) {
    const width = svg.clientWidth, height = svg.clientHeight;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.replaceChildren();
    if (!rows.length) {
      svg.append(node("text", { x: width / 2, y: height / 2, "text-anchor": "middle" }, "no samples in this range"));
      return null;
    }
    let low = Math.min(...rows.map((r) => r[2])), high = Math.max(...rows.map((r) => r[3]));
    if (low === high) { const pad = Math.abs(low) * 0.1 || 1; low -= pad; high += pad; }
    const x = (t) => MARGIN.left + ((t - from) / (to - from)) * (width - MARGIN.left - MARGIN.right);
    const y = (v) => MARGIN.top + ((high - v) / (high - low)) * (height - MARGIN.top - MARGIN.bottom);

    const step = niceStep(high - low, Math.max(2, height / 45));
    const digits = Math.max(0, -Math.floor(Math.log10(step)));
    for (let v = Math.ceil(low / step) * step; v <= high; v += step) {
      svg.append(node("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(v), y2: y(v) }));
      const label = v.toLocaleString([], { maximumFractionDigits: digits });
      svg.append(node("text", { x: MARGIN.left - 6, y: y(v) + 4, "text-anchor": "end" }, label));
    }
    const labels = Math.max(2, Math.floor((width - MARGIN.left) / 110));
    const base = height - MARGIN.bottom;
    for (const t of timeTicks(from, to, labels)) {
      svg.append(node("line", { class: "grid", x1: x(t), x2: x(t), y1: base, y2: base + 5 }));
      // At the edges a label would be cut off.
      const anchor = x(t) > width - 32 ? "end" : x(t) < MARGIN.left + 10 ? "start" : "middle";
      svg.append(node("text", { x: x(t), y: height - 6, "text-anchor": anchor }, timeLabel(t, to - from)));
    }

    const runs = [];
    rows.forEach((row, i) => {
      if (i === 0 || row[0] - rows[i - 1][0] > gap) runs.push([]);
      runs[runs.length - 1].push(row);
    });
    for (const run of runs) {
      const path = (column) => run.map((r) => `${x(r[0]).toFixed(1)} ${y(r[column]).toFixed(1)}`);
      svg.append(node("path", { class: "band", d: `M${path(3).join("L")}L${path(2).reverse().join("L")}Z` }));
      if (run.length === 1) svg.append(node("circle", { class: "dot", cx: x(run[0][0]), cy: y(run[0][1]), r: 2 }));
      else svg.append(node("path", { class: "line", d: `M${path(1).join("L")}` }));
    }
    const cursor = node("g", {});
    svg.append(cursor);

    // Marks the row nearest to a pointer position and returns it.
    return (clientX) => {
      const at = from + ((clientX - svg.getBoundingClientRect().left - MARGIN.left) / (width - MARGIN.left - MARGIN.right)) * (to - from);
      const row = rows.reduce((best, r) => (Math.abs(r[0] - at) < Math.abs(best[0] - at) ? r : best));
      cursor.replaceChildren(
        node("line", { class: "cursor", x1: x(row[0]), x2: x(row[0]), y1: MARGIN.top, y2: height - MARGIN.bottom }),
        node("circle", { class: "dot", cx: x(row[0]), cy: y(row[1]), r: 4 }));
      return row;
    };
  }

  return { draw };
})();
