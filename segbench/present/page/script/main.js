// Wakes every part of the page that is there.

watchTips();
listMeasurements(document.getElementById("all-rows"), DATA.measurements);
document.querySelectorAll("table.sortable").forEach(sortable);
document.querySelectorAll("section[data-judged]").forEach((section) => {
  judgedFilter(section);
  const place = section.querySelector(".ratios");
  if (place) drawRatios(place, DATA.judged[section.dataset.judged]);
});
document.querySelectorAll("[data-filters]").forEach((bar) => {
  const table = document.getElementById(bar.dataset.filters);
  filterable(table, bar.querySelector("input[type=search]"), [...bar.querySelectorAll("select")], bar.querySelector("output"));
});
for (const [id, draw] of [["pareto", drawPareto], ["timeline", drawTimeline], ["trajectory", drawTrajectory], ["depth", drawDepths]]) {
  const section = document.getElementById(id);
  if (section) draw(section);
}
document.documentElement.dataset.ready = "yes";
