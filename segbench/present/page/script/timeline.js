// Memory over one step: a network's bytes by role, stacked, another's total as an outline, and a reading line.

function drawTimeline(section) {
  const place = section.querySelector(".chart"), said = section.querySelector("[aria-live]");
  const [pick, other, mode] = ["network", "other", "mode"].map((name) => section.querySelector(`select[name=${name}]`));
  const state = { moment: null };
  const everything = DATA.timelines.map(unfolded);
  const lines = () => everything.filter((line) => line.mode === mode.value);

  function offer(select, wanted, first) {
    const names = lines().map((line) => line.network);
    replace(select, ...[...first, ...names].map((name) => el("option", { value: name }, name)));
    select.value = wanted.find((name) => names.includes(name)) ?? [...first, ...names][0];
  }

  function offerBoth() {
    offer(pick, [pick.value, "hrnetv2"], []);
    offer(other, [other.value, "segnode", "segnode-w8"], ["nothing"]);
  }

  const draw = (width) => replace(place, timelineChart(lines(), pick.value, other.value, state, width, said));
  mode.addEventListener("change", offerBoth);
  [pick, other, mode].forEach((select) => select.addEventListener("change", () => { state.moment = null; draw(place.clientWidth); }));
  offerBoth();
  redrawn(place, draw);
}

function timelineChart(lines, network, other, state, width, said) {
  const line = lines.find((each) => each.network === network) || lines[0];
  const height = Math.round(Math.max(260, Math.min(400, 0.42 * width)));
  const box = { left: 62, right: width - 14, top: 30, bottom: height - 40 };
  const totals = new Map(lines.map((each) => [each, totalOf(each)]));
  const most = Math.max(...[...totals.values()].flat()) * 1.06;
  const x = linear([0, 1], [box.left, box.right]), y = linear([0, most], [box.bottom, box.top]);
  const area = (low, high) => `M${line.moments.map((moment, at) => `${x(moment).toFixed(1)},${y(high[at]).toFixed(1)}`).join("L")}L${[...line.moments.keys()].reverse().map((at) => `${x(line.moments[at]).toFixed(1)},${y(low[at]).toFixed(1)}`).join("L")}Z`;
  let low = line.moments.map(() => 0);
  const areas = Object.entries(line.roles).map(([role, bytes]) => {
    const high = bytes.map((size, at) => low[at] + size);
    const path = svg("path", { d: area(low, high), style: `fill:${tinted(DATA.roles[role])}` });
    low = high;
    return path;
  });
  const outlines = lines.filter((each) => each.network === other && each !== line).flatMap((each) => {
    const total = totals.get(each), top = total.indexOf(Math.max(...total));
    return [
      svg("path", { class: "outline", d: `M${each.moments.map((moment, at) => `${x(moment).toFixed(1)},${y(total[at]).toFixed(1)}`).join("L")}` }),
      svg("text", { class: "outline", x: x(each.moments[top]), y: y(total[top]) - 6, "text-anchor": "middle" }, each.network),
    ];
  });
  const peak = totals.get(line).indexOf(Math.max(...totals.get(line)));
  const reading = svg("g", { class: "reading" });
  const drawing = svg("svg", { width, height, class: "timeline", tabindex: "0", role: "slider", "aria-label": `Memory of ${line.network} over one step; arrow keys move the reading line`, "aria-valuemin": "0", "aria-valuemax": String(line.moments.length - 1) },
    axisLeft(y, linearTicks(0, most, 5, true), box, `live bytes, batch ${line.batch}, predicted`, (value) => amount(value, "byte")),
    ...areas, ...outlines, ...phasesOf(line, x, box), reading);

  function read(at) {
    state.moment = Math.max(0, Math.min(line.moments.length - 1, at));
    const now = state.moment, total = totals.get(line)[now];
    const parts = Object.entries(line.roles).map(([role, bytes]) => [role, bytes[now]]).filter(([, size]) => size > 0.004 * total).reverse();
    const phase = [...line.phases].reverse().find(([start]) => start <= line.moments[now] + 1e-9);
    said.textContent = `${line.network}, ${phase ? phase[1] : "step"}: ${amount(total, "byte")}${now === peak ? " (the peak)" : ""} = ${parts.map(([role, size]) => `${role} ${amount(size, "byte")}`).join(" + ")}`;
    drawing.setAttribute("aria-valuenow", String(now));
    drawing.setAttribute("aria-valuetext", said.textContent);
    replace(reading,
      svg("line", { x1: x(line.moments[now]), x2: x(line.moments[now]), y1: box.top, y2: box.bottom }),
      svg("circle", { cx: x(line.moments[now]), cy: y(total), r: 4 }));
  }

  const nearest = (event) => {
    const moment = x.invert(event.clientX - drawing.getBoundingClientRect().left);
    return line.moments.reduce((best, value, at) => (Math.abs(value - moment) < Math.abs(line.moments[best] - moment) ? at : best), 0);
  };
  drawing.addEventListener("pointermove", (event) => read(nearest(event)));
  drawing.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, PageUp: 10, PageDown: -10 }[event.key];
    const jump = { Home: 0, End: line.moments.length - 1 }[event.key];
    if (step === undefined && jump === undefined) return;
    event.preventDefault();
    read(jump !== undefined ? jump : state.moment + step);
  });
  read(state.moment ?? peak);
  return drawing;
}

// Bytes of every role at every moment; a role that never changes comes as one number.
const unfolded = (line) => ({
  ...line,
  roles: Object.fromEntries(Object.entries(line.roles).map(([role, sizes]) => [role, line.moments.map((_, at) => line.unit * (sizes[at] ?? sizes))])),
});

const totalOf = (line) => line.moments.map((_, at) => Object.values(line.roles).reduce((sum, bytes) => sum + bytes[at], 0));

function phasesOf(line, x, box) {
  let written = -Infinity;
  return line.phases.flatMap(([start, name], at) => {
    const end = at + 1 < line.phases.length ? line.phases[at + 1][0] : 1;
    const left = x(start), wide = x(end) - left;
    const rule = svg("line", { x1: left, x2: left, y1: box.bottom, y2: box.bottom + 5, class: "phase" });
    if (wide < 5.6 * name.length || left < written) return [rule];
    written = left + 5.6 * name.length;
    return [rule, svg("text", { x: left + 3, y: box.bottom + 16, class: "phase" }, name)];
  });
}
