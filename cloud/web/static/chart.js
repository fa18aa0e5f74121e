// A pond's charts: one a quantity, limits as lines, doubtful readings marked with their reason.
"use strict";
(() => {
  const box = document.getElementById("charts");
  if (!box) return;
  const { pond, hours, nothing, failed, doubt } = box.dataset;
  const language = document.documentElement.lang;
  const ZONE = "Asia/Ho_Chi_Minh";
  const SUSPECT = 3;
  const FAIL = 4;
  const INK = "#3b5257";
  const COLOURS = { line: "#0b6070", warning: "#9a5b00", critical: "#b3151c", grid: "#e3e8e6" };
  const format = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
  const clock = new Intl.DateTimeFormat(language, { timeZone: ZONE, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const day = new Intl.DateTimeFormat("en-GB", { timeZone: ZONE, day: "2-digit", month: "2-digit" }); // 20/11 in all three languages
  const moment = (seconds) => `${clock.format(seconds * 1000)} ${day.format(seconds * 1000)}`;
  const charts = new Map();
  const cursors = uPlot.sync("pond");

  // A line breaks where nothing was measured for long: a gap is not a straight line.
  function columns(data) {
    const gap = Math.max(1800, ((data.end - data.start) / Math.max(data.time.length, 1)) * 6);
    const time = [];
    const value = []; // as measured
    const line = []; // what the line goes through: not through what failed a test
    const at = [];
    data.time.forEach((moment_, row) => {
      if (row && moment_ - data.time[row - 1] > gap) {
        time.push(data.time[row - 1] + 1);
        value.push(null);
        line.push(null);
        at.push(null);
      }
      // Two samples may share a second; the axis wants rising times.
      time.push(Math.max(moment_, (time.at(-1) ?? -Infinity) + 0.001));
      value.push(data.value[row]);
      line.push(data.flag[row] === FAIL ? undefined : data.value[row]); // undefined is passed over, null breaks the line
      at.push(row);
    });
    return { time, value, line, at };
  }

  function limits(figure) {
    const found = [];
    for (const [key, kind] of [["lowCritical", "critical"], ["lowWarning", "warning"], ["highWarning", "warning"], ["highCritical", "critical"]]) {
      if (figure.dataset[key] !== undefined) found.push([Number(figure.dataset[key]), kind]);
    }
    return found;
  }

  function drawLimits(chart, lines) {
    const { ctx, bbox } = chart;
    ctx.save();
    for (const [value, kind] of lines) {
      const y = Math.round(chart.valToPos(value, "y", true)) + 0.5;
      if (y < bbox.top || y > bbox.top + bbox.height) continue;
      ctx.strokeStyle = COLOURS[kind];
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash(kind === "warning" ? [6 * devicePixelRatio, 4 * devicePixelRatio] : []);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
    ctx.restore();
  }

  function drawFlags(chart, state) {
    const { ctx, bbox } = chart;
    const size = 4 * devicePixelRatio;
    ctx.save();
    ctx.lineWidth = 2 * devicePixelRatio;
    state.at.forEach((row, index) => {
      const flag = row === null ? 0 : state.data.flag[row];
      if (flag !== SUSPECT && flag !== FAIL) return;
      const x = chart.valToPos(state.time[index], "x", true);
      // One far out of range stands at the edge.
      const y = Math.min(Math.max(chart.valToPos(state.value[index], "y", true), bbox.top), bbox.top + bbox.height);
      ctx.beginPath();
      if (flag === FAIL) {
        ctx.strokeStyle = COLOURS.critical;
        ctx.moveTo(x - size, y - size);
        ctx.lineTo(x + size, y + size);
        ctx.moveTo(x + size, y - size);
        ctx.lineTo(x - size, y + size);
      } else {
        ctx.strokeStyle = COLOURS.warning;
        ctx.fillStyle = "#fff";
        ctx.moveTo(x, y - size);
        ctx.lineTo(x + size, y);
        ctx.lineTo(x, y + size);
        ctx.lineTo(x - size, y);
        ctx.closePath();
        ctx.fill();
      }
      ctx.stroke();
    });
    ctx.restore();
  }

  function readout(figure, state, index) {
    const output = figure.querySelector(".readout");
    const row = index === null || index === undefined ? null : state.at[index];
    if (row === null || row === undefined) {
      output.textContent = "";
      return;
    }
    const unit = figure.dataset.unit ? ` ${figure.dataset.unit}` : "";
    const reason = state.data.flag[row] === SUSPECT || state.data.flag[row] === FAIL ? ` · ${state.data.reasons[row] ?? doubt}` : "";
    output.textContent = `${format.format(state.data.value[row])}${unit} · ${moment(state.data.time[row])}${reason}`;
  }

  // Enough of the limits is shown to judge by, and never a range so small that noise looks like a storm.
  function range(lines, { line, value: all }, least) {
    const good = line.filter((value) => value !== null && value !== undefined);
    const seen = good.length ? good : all.filter((value) => value !== null);
    let low = Math.min(...seen);
    let high = Math.max(...seen);
    for (const [value] of lines) {
      if (value > low - (high - low + 1) && value < high + (high - low + 1)) {
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
    }
    const room = Math.max((high - low) * 0.08, (least - (high - low)) / 2);
    return [low - room, high + room];
  }

  function draw(figure, data) {
    const plot = figure.querySelector(".plot");
    const state = { data, ...columns(data) };
    const held = charts.get(figure);
    if (!data.time.length) {
      held?.chart.destroy();
      charts.delete(figure);
      plot.textContent = nothing;
      plot.classList.add("blank-plot");
      return;
    }
    const lines = limits(figure);
    if (held) {
      Object.assign(held.state, state);
      held.chart.setData([held.state.time, held.state.line]);
      return;
    }
    plot.textContent = "";
    plot.classList.remove("blank-plot");
    const axis = { stroke: INK, grid: { stroke: COLOURS.grid, width: 1 }, ticks: { show: false }, font: "12px Be Vietnam Pro, system-ui, sans-serif" };
    const chart = new uPlot(
      {
        width: plot.clientWidth,
        height: 200,
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), ZONE),
        legend: { show: false },
        cursor: { sync: { key: cursors.key }, y: false, points: { size: 8 }, drag: { x: false, y: false } },
        scales: {
          x: { time: true, range: () => [state.data.start, state.data.end] },
          y: { range: () => range(lines, state, Number(figure.dataset.least)) },
        },
        axes: [
          { ...axis, space: 64, size: 32, values: (_, ticks, __, ___, step) => ticks.map((tick) => (step >= 86400 ? day.format(tick * 1000) : clock.format(tick * 1000))) },
          { ...axis, size: 44, values: (_, ticks) => ticks.map((tick) => format.format(tick)) },
        ],
        series: [{}, { stroke: COLOURS.line, width: 2, points: { show: false } }],
        hooks: {
          drawAxes: [(self) => drawLimits(self, lines)],
          draw: [(self) => drawFlags(self, state)],
          setCursor: [(self) => readout(figure, state, self.cursor.idx)],
        },
      },
      [state.time, state.line],
      plot,
    );
    charts.set(figure, { chart, state });
  }

  function listFlagged(all) {
    const rows = [];
    for (const [figure, data] of all) {
      const name = figure.querySelector(".chart-name").firstChild.textContent.trim();
      const unit = figure.dataset.unit ? ` ${figure.dataset.unit}` : "";
      data.flag.forEach((flag, row) => {
        if (flag === SUSPECT || flag === FAIL) rows.push([data.time[row], name, `${format.format(data.value[row])}${unit}`, data.reasons[row] ?? doubt]);
      });
    }
    rows.sort((a, b) => b[0] - a[0]);
    const details = document.getElementById("flagged");
    details.hidden = rows.length === 0;
    details.querySelector("tbody").replaceChildren(
      ...rows.slice(0, 200).map(([time, ...cells]) => {
        const line = document.createElement("tr");
        for (const text of [moment(time), ...cells]) line.insertCell().textContent = text;
        return line;
      }),
    );
  }

  async function load() {
    const { now } = await (await fetch("/api/v1/live", { credentials: "same-origin" })).json();
    const end = now + 1;
    const start = end - Number(hours) * 3600;
    const all = await Promise.all(
      [...box.querySelectorAll(".chart")].map(async (figure) => {
        const query = new URLSearchParams({ quantity: figure.dataset.quantity, start, end, points: 1200, language });
        const response = await fetch(`/api/v1/ponds/${encodeURIComponent(pond)}/readings?${query}`, { headers: { "X-Vuong-Refresh": "1" }, credentials: "same-origin" });
        if (!response.ok) throw new Error(String(response.status));
        return [figure, await response.json()];
      }),
    );
    for (const [figure, data] of all) draw(figure, data);
    listFlagged(all);
  }

  function attempt() {
    load().catch(() => {
      for (const figure of box.querySelectorAll(".chart")) {
        if (!charts.has(figure)) figure.querySelector(".plot").textContent = failed;
      }
    });
  }

  new ResizeObserver(() => {
    for (const { chart } of charts.values()) chart.setSize({ width: chart.root.parentElement.clientWidth, height: 200 });
  }).observe(box);
  document.addEventListener("vuong:refreshed", attempt);
  attempt();
})();
