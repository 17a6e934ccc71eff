// Scales, ticks and axes for the charts.

function linear(domain, range) {
  const [low, high] = domain, [start, end] = range;
  const scale = (value) => start + ((value - low) / (high - low || 1)) * (end - start);
  scale.invert = (place) => low + ((place - start) / (end - start || 1)) * (high - low);
  return scale;
}

function logarithmic(domain, range) {
  const inner = linear(domain.map(Math.log), range);
  return (value) => inner(Math.log(value));
}

function linearTicks(low, high, count, binary = false) {
  const unit = binary ? binaryUnit(high) : 1;
  const rough = (high - low) / unit / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = unit * power * [1, 2, 5, 10].find((each) => each * power >= rough);
  const ticks = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high * (1 + 1e-9); tick += step) ticks.push(tick);
  return ticks;
}

const binaryUnit = (value) => (value >= GIB ? GIB : value >= MIB ? MIB : KIB);

function logTicks(low, high, binary = false, digits = [1, 2, 5]) {
  const unit = binary ? binaryUnit(high) : 1;
  const ticks = [];
  for (let power = Math.floor(Math.log10(low / unit)); power <= Math.log10(high / unit); power += 1) {
    for (const digit of digits) ticks.push(unit * digit * 10 ** power);
  }
  return ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
}

// A padded domain around values; from zero where the scale is linear and all are positive.
function domainOf(values, log) {
  const low = Math.min(...values), high = Math.max(...values);
  if (log) return [low / 1.3, high * 1.3];
  const room = 0.08 * (high - low || Math.abs(high) || 1);
  return [low >= 0 && low < 0.6 * high ? 0 : low - room, high + room];
}

function axisBelow(scale, ticks, box, label, format) {
  return svg("g", { class: "axis" },
    ...ticks.flatMap((tick) => [
      svg("line", { x1: scale(tick), x2: scale(tick), y1: box.top, y2: box.bottom, class: "rule" }),
      svg("text", { x: scale(tick), y: box.bottom + 16, "text-anchor": "middle" }, format(tick)),
    ]),
    svg("text", { x: box.right, y: box.bottom + 34, "text-anchor": "end", class: "label" }, label));
}

function axisLeft(scale, ticks, box, label, format) {
  return svg("g", { class: "axis" },
    ...ticks.flatMap((tick) => [
      svg("line", { x1: box.left, x2: box.right, y1: scale(tick), y2: scale(tick), class: "rule" }),
      svg("text", { x: box.left - 8, y: scale(tick) + 4, "text-anchor": "end" }, format(tick)),
    ]),
    svg("text", { x: 2, y: box.top - 12, class: "label" }, label));
}

// The shapes that tell networks apart without colour; the names are matplotlib's.
const SHAPES = {
  o: (r) => `M${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0Z`,
  s: (r) => { const a = 0.88 * r; return `M${-a},${-a}H${a}V${a}H${-a}Z`; },
  "^": (r) => `M0,${-1.1 * r}L${1.05 * r},${0.8 * r}H${-1.05 * r}Z`,
  v: (r) => `M0,${1.1 * r}L${1.05 * r},${-0.8 * r}H${-1.05 * r}Z`,
  D: (r) => `M0,${-1.2 * r}L${1.2 * r},0L0,${1.2 * r}L${-1.2 * r},0Z`,
  P: (r) => { const a = 0.38 * r, b = 1.1 * r; return `M${-a},${-b}H${a}V${-a}H${b}V${a}H${a}V${b}H${-a}V${a}H${-b}V${-a}H${-a}Z`; },
  X: (r) => {
    const a = 0.42 * r, b = 1.05 * r;
    return `M${-b},${-b + a}L${-b + a},${-b}L0,${-a}L${b - a},${-b}L${b},${-b + a}L${a},0L${b},${b - a}L${b - a},${b}L0,${a}L${-b + a},${b}L${-b},${b - a}L${-a},0Z`;
  },
  "*": (r) => {
    const points = Array.from({ length: 10 }, (_, place) => {
      const radius = (place % 2 ? 0.52 : 1.3) * r, angle = (Math.PI * place) / 5 - Math.PI / 2;
      return `${(radius * Math.cos(angle)).toFixed(2)},${(radius * Math.sin(angle)).toFixed(2)}`;
    });
    return `M${points.join("L")}Z`;
  },
};

const lookOf = (network) => DATA.networks[network] || { colour: "#4d5560", marker: "o" };

function mark(network, radius = 6) {
  const look = lookOf(network);
  return svg("path", { d: (SHAPES[look.marker] || SHAPES.o)(radius), style: `fill:${tinted(look.colour)}` });
}
