// Ratios to the reference: one panel a column, the paper's mark hollow, ours filled in the verdict's colour.

function drawRatios(place, table) {
  const panels = table.columns.filter((column) => table.rows.some((row) => table.cells[row.key][column.key].ratio !== null
    || table.cells[row.key][column.key].paperRatio !== null));
  const columns = panels.filter((column) => table.rows.some((row) => table.cells[row.key][column.key].ratio !== null));
  const empty = panels.filter((column) => !columns.includes(column)).map((column) => column.title);
  const grid = el("div", { class: "panels" });
  columns.forEach((column) => {
    const chart = el("div", { class: "panel" });
    grid.append(chart);
    redrawn(chart, (width) => replace(chart, el("h4", {}, column.title), ratioPanel(table, column, width)));
  });
  replace(place, grid, empty.length ? el("p", { class: "note" }, `No numbers of ours for: ${empty.join("; ")}.`) : null);
}

function ratioPanel(table, column, width) {
  const height = 26 * table.rows.length + 40;
  const longest = 6.6 * Math.max(...table.rows.map((row) => row.label.length)) + 14;
  const box = { left: Math.min(longest, 0.48 * width), right: width - 12, top: 8, bottom: height - 28 };
  const cells = table.rows.map((row) => table.cells[row.key][column.key]);
  const known = cells.flatMap((cell) => [cell.ratio, cell.verdict ? cell.paperRatio : null]).filter((value) => value > 0);
  const domain = [Math.min(...known, 0.6) / 1.3, Math.max(...known, 1.6) * 1.3];
  const x = logarithmic(domain, [box.left, box.right]);
  const room = (box.right - box.left) / 34;
  const ticks = [[1, 2, 5], [1, 3], [1]].map((digits) => logTicks(...domain, false, digits)).find((found) => found.length <= room) || [1];
  const drawing = svg("svg", { width, height, role: "img", "aria-label": `${column.title}: ratio to HRNetV2` },
    axisBelow(x, ticks, box, "", plain),
    svg("line", { x1: x(1), x2: x(1), y1: box.top, y2: box.bottom, class: "one" }));
  table.rows.forEach((row, place) => drawing.append(ratioRow(row, cells[place], x, box, 26 * place + 20)));
  return drawing;
}

function ratioRow(row, cell, x, box, y) {
  const colour = `var(--${cell.verdict ? cell.verdict.replaceAll(" ", "-") : "ours"})`;
  const paper = cell.verdict ? cell.paperRatio : null;
  const group = svg("g", { class: "spot", tabindex: "0", "data-tip": cell.tip, "aria-label": cell.tip.replaceAll("\n", ". "), role: "img" },
    svg("rect", { x: 0, y: y - 13, width: box.right, height: 26, class: "hit" }),
    svg("text", { x: box.left - 8, y: y + 4, "text-anchor": "end", class: row.own ? "own" : "" }, row.label));
  if (paper && cell.ratio) group.append(svg("line", { x1: x(paper), x2: x(cell.ratio), y1: y, y2: y, class: "link", style: `stroke:${colour}` }));
  if (paper) group.append(svg("circle", { cx: x(paper), cy: y, r: 5, class: "hollow" }));
  if (cell.ratio) {
    group.append(svg("circle", { cx: x(cell.ratio), cy: y, r: 5.5, style: `fill:${colour}` }));
    if (cell.mark) group.append(svg("text", { x: x(cell.ratio), y: y - 7, "text-anchor": "middle", class: "sign", style: `fill:${colour}` }, cell.mark));
  }
  return group;
}
