// What a network costs against its accuracy: axes to choose, the Pareto front drawn, dominated networks pale.

function drawPareto(section) {
  const place = section.querySelector(".chart");
  const [across, up] = ["x", "y"].map((name) => section.querySelector(`select[name=${name}]`));
  const log = section.querySelector("input[name=log]");
  const said = section.querySelector("[aria-live]");
  const axes = Object.fromEntries(DATA.pareto.axes.map((axis) => [axis.key, axis]));
  const draw = (width) => replace(place, paretoChart(axes[across.value], axes[up.value], log.checked, width, said));
  [across, up, log].forEach((control) => control.addEventListener("change", () => draw(Math.floor(place.clientWidth))));
  redrawn(place, draw);
}

function paretoChart(xAxis, yAxis, log, width, said) {
  const height = Math.round(Math.max(300, Math.min(460, 0.55 * width)));
  const box = { left: 62, right: width - 16, top: 30, bottom: height - 44 };
  const spots = DATA.pareto.spots.filter((spot) => spot.values[xAxis.key] && spot.values[yAxis.key]);
  if (!spots.length) {
    said.textContent = "No network has both.";
    return el("p", { class: "note" }, "No network of this ledger has both quantities.");
  }
  const xs = spots.map((spot) => spot.values[xAxis.key].v), ys = spots.map((spot) => spot.values[yAxis.key].v);
  const logX = log && Math.min(...xs) > 0, logY = log && Math.min(...ys) > 0;
  const [xDomain, yDomain] = [domainOf(xs, logX), domainOf(ys, logY)];
  const x = (logX ? logarithmic : linear)(xDomain, [box.left, box.right]);
  const y = (logY ? logarithmic : linear)(yDomain, [box.bottom, box.top]);
  const ticks = (domain, on, axis, room) => thinned(on ? logTicks(...domain, axis.unit === "byte") : linearTicks(...domain, room, axis.unit === "byte"), room);
  const dominated = (spot) => spots.some((other) => other !== spot && dominates(other, spot, xAxis, yAxis));
  const front = spots.filter((spot) => !dominated(spot)).sort((a, b) => a.values[xAxis.key].v - b.values[xAxis.key].v);
  said.textContent = `Pareto-optimal: ${front.map((spot) => spot.label).join(", ")}.`;
  const drawing = svg("svg", { width, height, role: "group", "aria-label": `${yAxis.label} against ${xAxis.label}` },
    axisBelow(x, ticks(xDomain, logX, xAxis, Math.floor(width / 90)), box, xAxis.label, (value) => amount(value, xAxis.unit)),
    axisLeft(y, ticks(yDomain, logY, yAxis, 6), box, yAxis.label, (value) => amount(value, yAxis.unit)),
    svg("path", { class: "front", d: front.map((spot, place) => `${place ? "L" : "M"}${x(spot.values[xAxis.key].v)},${y(spot.values[yAxis.key].v)}`).join("") }));
  const placed = spots.map((spot) => {
    const [cx, cy] = [x(spot.values[xAxis.key].v), y(spot.values[yAxis.key].v)];
    return { of: spot, left: cx - 8, right: cx + 8, top: cy - 8, bottom: cy + 8 };
  });
  [...spots].sort((a, b) => dominated(b) - dominated(a)).forEach((spot) => drawing.append(paretoSpot(spot, xAxis, yAxis, x, y, dominated(spot), box, placed)));
  return drawing;
}

// Better in both, or as good in one and better in the other.
function dominates(a, b, xAxis, yAxis) {
  const gain = [xAxis, yAxis].map((axis) => (axis.better === "higher" ? 1 : -1) * (a.values[axis.key].v - b.values[axis.key].v));
  return Math.min(...gain) >= 0 && Math.max(...gain) > 0;
}

const thinned = (ticks, room) => (ticks.length <= room + 1 ? ticks : ticks.filter((_, place) => place % Math.ceil(ticks.length / room) === 0));

function paretoSpot(spot, xAxis, yAxis, x, y, pale, box, placed) {
  const [a, b] = [spot.values[xAxis.key], spot.values[yAxis.key]];
  const [cx, cy] = [x(a.v), y(b.v)];
  const lines = [spot.label, `${xAxis.label}: ${a.t}`, `${yAxis.label}: ${b.t}`, pale ? "dominated: another network is at least as good in both" : "Pareto-optimal"];
  const group = svg("g", { class: pale ? "spot pale" : "spot", tabindex: "0", role: "img", "aria-label": lines.join(". "), "data-tip": lines.join("\n") });
  const bar = (low, high, flat) => low !== null && low !== undefined
    && group.append(svg("line", flat ? { x1: x(low), x2: x(high), y1: cy, y2: cy, class: "bar" } : { x1: cx, x2: cx, y1: y(low), y2: y(high), class: "bar" }));
  bar(a.low, a.high, true);
  bar(b.low, b.high, false);
  const shape = mark(spot.network, 7);
  shape.setAttribute("transform", `translate(${cx},${cy})`);
  const wide = 6.4 * spot.label.length;
  const spots = [[12, 4, "start"], [-12, 4, "end"], [0, -13, "middle"], [0, 21, "middle"], [12, -11, "start"], [-12, 18, "end"]];
  const boxes = spots.map(([dx, dy, anchor]) => {
    const left = cx + dx - (anchor === "end" ? wide : anchor === "middle" ? wide / 2 : 0);
    return { dx, dy, anchor, left, right: left + wide, top: cy + dy - 11, bottom: cy + dy + 3 };
  });
  const clear = (item) => item.left >= box.left - 40 && item.right <= box.right + 14 && placed.every((other) => other.of === spot || item.right < other.left || item.left > other.right || item.bottom < other.top || item.top > other.bottom);
  const chosen = boxes.find(clear) || (cx + wide > box.right ? boxes[1] : boxes[0]);
  placed.push(chosen);
  group.append(shape, svg("text", { x: cx + chosen.dx, y: cy + chosen.dy, "text-anchor": chosen.anchor }, spot.label));
  return group;
}
