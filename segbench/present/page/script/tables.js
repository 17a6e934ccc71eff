// Tables that sort by a click on a heading and filter by what is typed; the rows of all measurements are listed here.

function listMeasurements(table, { words, rows }) {
  table.tBodies[0].append(...rows.map(([value, ...places]) => {
    const [model, quantity, unit, text, method, conditions, outcome, known, run] = places.map((place) => words[place]);
    const raw = value === null ? "no value" : `${value.toLocaleString("en", { maximumSignificantDigits: 10 })} ${unit}`;
    const tip = [`${model} ${quantity}`, raw, known, `run ${run}`].filter(Boolean).join("\n");
    return el("tr", { "data-model": model, "data-quantity": quantity },
      el("th", { scope: "row" }, model), el("td", { class: "text" }, quantity),
      el("td", { "data-value": value === null ? "" : String(value), "data-tip": tip }, text),
      el("td", { class: "text" }, method), el("td", { class: "words wide" }, conditions), el("td", { class: "words" }, outcome));
  }));
}

function sortable(table) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = heading.querySelector("button");
    if (button) button.addEventListener("click", () => sortBy(column));
  });

  function sortBy(column) {
    const up = headings[column].getAttribute("aria-sort") !== "ascending";
    headings.forEach((heading) => heading.setAttribute("aria-sort", "none"));
    headings[column].setAttribute("aria-sort", up ? "ascending" : "descending");
    const rows = [...body.rows].map((row, place) => ({ row, place, key: keyOf(row.cells[column]) }));
    rows.sort((a, b) => compare(a.key, b.key, up) || a.place - b.place);
    body.append(...rows.map((item) => item.row));
  }
}

// A number where the cell has one; what is missing comes last whichever way is up.
function keyOf(cell) {
  const raw = cell.dataset.value;
  if (raw !== undefined && raw !== "") return Number(raw);
  const text = cell.textContent.trim();
  return text === "-" || text === "" ? null : text.toLowerCase();
}

function compare(a, b, up) {
  if (a === null || b === null) return (a === null) - (b === null);
  const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  return up ? order : -order;
}

function filterable(table, input, choices, counter) {
  const rows = [...table.tBodies[0].rows];
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));

  function apply() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = choices.filter((choice) => choice.value);
    let shown = 0;
    for (const row of rows) {
      const fits = words.every((word) => texts.get(row).includes(word))
        && wanted.every((choice) => row.dataset[choice.dataset.of] === choice.value);
      row.hidden = !fits;
      shown += fits;
    }
    counter.textContent = shown === rows.length ? `${rows.length} rows` : `${shown} of ${rows.length} rows`;
  }

  input.addEventListener("input", apply);
  choices.forEach((choice) => choice.addEventListener("change", apply));
  apply();
}

// Buttons with a verdict's name dim the cells that have another.
function judgedFilter(section) {
  const buttons = [...section.querySelectorAll("button[data-verdict]")];
  buttons.forEach((button) => button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    buttons.forEach((other) => other.setAttribute("aria-pressed", String(on && other === button)));
    section.querySelectorAll("td[data-verdict]").forEach((cell) => {
      cell.classList.toggle("dim", on && cell.dataset.verdict !== button.dataset.verdict);
    });
  }));
}
