// Draws each chart from the table beside it, so that picture and numbers cannot differ.
"use strict";
(() => {
  const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3], [14, 5], [4, 2], [1, 4], [12, 3, 3, 3]];
  const HEIGHT = 220;
  const MOST_DOTTED = 40;
  const drawn = new WeakMap();

  const colour = (name) => {
    const probe = document.createElement("i");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };
  const value = (cell) => (cell.textContent.trim() === "–" ? null : Number(cell.textContent));

  function read(figure) {
    const rows = [...figure.querySelector("table").tBodies[0].rows];
    const labels = rows.map((row) => row.cells[0].textContent.trim());
    const xs = "categories" in figure.dataset ? labels.map((_, place) => place) : labels.map(Number);
    const count = rows.length ? rows[0].cells.length - 1 : 0;
    const ys = Array.from({ length: count }, (_, place) => rows.map((row) => value(row.cells[place + 1])));
    return { labels, data: [xs, ...ys] };
  }

  function range(figure) {
    const { low, high } = figure.dataset;
    return (_, least, most) => {
      if (least === null) { least = 0; most = 1; }
      const from = low === undefined ? least : Number(low);
      const to = high === undefined ? most : Number(high);
      const pad = (to - from || Math.abs(to) || 1) * 0.06;
      return [low === undefined ? from - pad : from, to + pad];
    };
  }

  // The columns behind those of the lines are the ends of bands, low and high in turn.
  const banded = (figure) => (figure.dataset.bands ? figure.dataset.bands.split(",").map(Number) : []);

  function options(figure, labels, names) {
    const bands = banded(figure);
    const count = names.length - 2 * bands.length;
    const muted = colour("--muted");
    const line = colour("--line");
    const axis = { stroke: muted, font: "11px system-ui, sans-serif", grid: { stroke: line, width: 1 }, ticks: { show: false } };
    const byName = "categories" in figure.dataset;
    const short = (text) => text.replace(/^A_\d+-(\d+)-(\d+)_0*(\d+)$/, "#$3");
    const widest = byName ? Math.max(0, ...labels.map((label) => short(label).length)) : 0;
    return {
      width: Math.max(200, figure.clientWidth),
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, points: { size: 7 }, drag: { x: true, y: false } },
      scales: { x: { time: false }, y: { range: range(figure) } },
      axes: [
        { ...axis, grid: { show: false }, size: 30, space: Math.max(50, 7 * widest + 14), incrs: byName ? [1, 2, 5, 10, 20, 50, 100, 200, 500] : undefined,
          values: (_, ticks) => ticks.map((t) => (byName ? short(labels[t] ?? "") : t)) },
        { ...axis, size: 56, values: (_, ticks) => ticks.map((t) => String(Number(t.toPrecision(6))).replace("-", "\u2212")) }, // its own has three decimals
      ],
      series: [{}, ...names.map((label, place) => (place >= count ? { label, stroke: "transparent", width: 0, points: { show: false } } : {
        label,
        stroke: colour(`--s${place + 1}`),
        width: 1.75,
        dash: DASHES[place],
        points: { show: labels.length <= MOST_DOTTED, size: 5, fill: colour("--paper") },
        spanGaps: true,
      }))],
      bands: bands.map((of, place) => ({
        series: [count + 2 * place + 2, count + 2 * place + 1],
        fill: colour(`--s${of + 1}`).replace(/^rgb\((.*)\)$/, "rgba($1, .13)"),
      })),
      hooks: { setCursor: [(plot) => {
        const at = plot.cursor.idx;
        const shown = plot.root.closest("figure"); // by now perhaps another than it was drawn for
        const where = shown?.querySelector(".legend .where");
        const name = at === null || at === undefined ? null : (plot.labels ?? labels)[at];
        if (where) where.textContent = name === null || name === undefined ? "" : `${where.dataset.x} ${short(name)}`;
        shown?.querySelectorAll(".legend b").forEach((readout, place) => {
          const found = at === null || at === undefined ? null : plot.data[place + 1][at];
          readout.textContent = found === null || found === undefined ? "" : Number(found.toPrecision(4));
        });
      }] },
    };
  }

  // The range of the x axis that a reader has dragged; null while all is shown.
  function zoom(plot) {
    const { min, max } = plot.scales.x;
    const shown = plot.data[0];
    return shown.length > 1 && (min > shown[0] || max < shown[shown.length - 1]) ? { min, max } : null;
  }

  function draw(figure) {
    const place = figure.querySelector(".plot");
    if (!place || !window.uPlot) return;
    const { labels, data } = read(figure);
    const names = [...figure.querySelectorAll("thead th")].slice(1).map((cell) => cell.textContent);
    const key = names.join() + labels.length * (labels.length <= MOST_DOTTED || "categories" in figure.dataset);
    const before = drawn.get(place);
    const kept = before && zoom(before.plot);
    let plot = before?.plot;
    if (before?.key === key) plot.setData(data, !kept);
    else {
      plot?.destroy();
      plot = new uPlot(options(figure, labels, names), data, place);
      drawn.set(place, { plot, key });
      place.uplot = plot;
    }
    plot.labels = labels;
    if (kept) plot.setScale("x", kept);
  }

  const all = () => document.querySelectorAll("figure.chart");
  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const found = drawn.get(target);
      if (found && target.clientWidth) found.plot.setSize({ width: Math.max(200, target.clientWidth), height: HEIGHT });
    }
  });
  // While a reader drags, charts stay as they are: one that is drawn anew would lose the range.
  let isHeld = false;
  document.addEventListener("mousedown", (event) => { isHeld = Boolean(event.target.closest?.(".plot")); });
  document.addEventListener("mouseup", () => {
    if (!isHeld) return;
    isHeld = false;
    setTimeout(drawAll); // after the chart has taken the range
  });

  function drawAll() {
    if (isHeld) return;
    for (const figure of all()) {
      draw(figure);
      const place = figure.querySelector(".plot");
      if (place) resized.observe(place);
    }
  }
  function redrawAll() {
    for (const figure of all()) {
      const place = figure.querySelector(".plot");
      drawn.get(place)?.plot.destroy();
      drawn.delete(place);
    }
    drawAll();
  }

  document.documentElement.classList.add("drawing");
  drawAll();
  document.addEventListener("radiance:update", drawAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
})();
