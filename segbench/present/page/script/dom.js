// Elements, the tooltip, and amounts as people read them.

const DATA = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";

function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function replace(parent, ...children) {
  parent.replaceChildren(...children.filter(Boolean));
}

// Colours are lifted a little towards white in dark mode, by a variable of the style sheet.
const tinted = (colour) => `color-mix(in srgb, ${colour}, white var(--lift))`;

const GIB = 2 ** 30, MIB = 2 ** 20, KIB = 2 ** 10;
const STEPS = {
  byte: [[GIB, " GiB"], [MIB, " MiB"], [KIB, " KiB"], [1, " B"]],
  second: [[1, " s"], [1e-3, " ms"], [1e-6, " µs"]],
  count: [[1e12, " T"], [1e9, " G"], [1e6, " M"], [1e3, " k"], [1, ""]],
};

function amount(value, unit) {
  if (value === null || value === undefined) return "–";
  if (unit === "fraction") return `${plain(100 * value)} %`;
  const steps = STEPS[unit];
  if (!steps || value === 0) return `${plain(value)}${steps ? "" : ` ${unit}`}`;
  const [size, sign] = steps.find(([each]) => Math.abs(value) >= each) || steps[steps.length - 1];
  return plain(value / size) + sign;
}

// Three significant digits, and no trailing zeros.
const plain = (value) => String(Number(Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(3)));

// One tooltip for everything that has `data-tip`: shown for the pointer and for the keyboard's focus.
const tip = el("div", { id: "tip", role: "tooltip", hidden: "" });

function showTip(node, x, y) {
  replace(tip, ...node.dataset.tip.split("\n").map((line, place) => el(place ? "p" : "strong", {}, line)));
  tip.hidden = false;
  const box = tip.getBoundingClientRect(), edge = 8;
  const left = Math.min(Math.max(edge, x + 12), window.innerWidth - box.width - edge);
  const above = y - box.height - 12;
  tip.style.left = `${left}px`;
  tip.style.top = `${above > edge ? above : y + 16}px`;
}

const hideTip = () => { tip.hidden = true; };

function watchTips() {
  document.body.append(tip);
  const of = (event) => event.target instanceof Element && event.target.closest("[data-tip]");
  const follow = (event) => {
    const node = of(event);
    if (node) showTip(node, event.clientX, event.clientY);
    else if (!document.activeElement?.closest?.("[data-tip]")) hideTip();
  };
  document.addEventListener("pointermove", follow);
  document.addEventListener("pointerdown", follow);
  document.addEventListener("focusin", (event) => {
    const node = of(event);
    if (!node) return hideTip();
    const box = node.getBoundingClientRect();
    showTip(node, box.left + box.width / 2, box.top);
  });
  document.addEventListener("focusout", hideTip);
  document.addEventListener("scroll", hideTip, { passive: true, capture: true });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
}

// Calls `draw(width)` now and whenever the element's width changes.
function redrawn(node, draw) {
  let last = 0;
  new ResizeObserver(() => {
    const width = Math.floor(node.clientWidth);
    if (width && width !== last) draw((last = width));
  }).observe(node);
}
