// The trajectory viewer: a slider over the solver's time, an image whose segmentation refines, and the curve it is on.

function drawTrajectory(section) {
  const find = (selector) => section.querySelector(selector);
  const choose = find("select[name=trajectory]"), slider = find("input[name=time]"), veil = find("input[name=veil]");
  const play = find("button.play"), stage = find(".stage"), strip = find(".strip"), chart = find(".chart"), said = find("[aria-live]");
  const state = { image: 0, timer: null };
  const current = () => DATA.trajectories[Number(choose.value)];

  function show() {
    const trajectory = current(), at = Number(slider.value), point = trajectory.points[at];
    slider.setAttribute("aria-valuetext", `t = ${plain(point.t)}`);
    const picture = trajectory.pictures[state.image];
    if (picture) {
      const frame = picture.frames[at];
      find(".photo").src = picture.photo;
      find(".labels").src = frame ? frame.labels : "";
      find(".labels").hidden = !frame;
      find(".labels").style.opacity = String(veil.value / 100);
      find(".truth").src = picture.truth;
    }
    const own = picture?.frames[at]?.miou;
    const facts = [
      ["t", plain(point.t)], ["NFE", amount(point.nfe, "count")], ["MACs", amount(point.macs, "count")],
      ["time an image", amount(point.latency, "second")], ["mIoU of the set", amount(point.miou, "fraction")],
      ["mIoU of this image", own === undefined ? "–" : amount(own, "fraction")],
    ];
    replace(find("dl"), ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
    said.textContent = facts.map(([name, value]) => `${name} ${value}`).join(", ");
    drawCurve(Math.floor(chart.clientWidth));
  }

  function drawCurve(width) {
    if (width) replace(chart, trajectoryCurve(current(), Number(slider.value), width, (at) => { slider.value = String(at); show(); }));
  }

  function open() {
    const trajectory = current();
    slider.max = String(trajectory.points.length - 1);
    slider.value = slider.max;
    state.image = 0;
    stage.hidden = strip.hidden = !trajectory.pictures.length;
    replace(strip, ...trajectory.pictures.map((picture, at) => el("button", {
      type: "button", "aria-pressed": String(at === 0), "aria-label": `image ${picture.name}`,
      onclick: (event) => {
        state.image = at;
        [...strip.children].forEach((child) => child.setAttribute("aria-pressed", String(child === event.currentTarget)));
        show();
      },
    }, el("img", { src: picture.photo, alt: "", width: "80" }))));
    replace(find(".classes"), ...trajectory.classes.map(([name, colour]) => el("li", {}, el("span", { style: `background:${colour}` }), name)));
    show();
  }

  function stop() {
    clearInterval(state.timer);
    state.timer = null;
    play.textContent = "Play";
  }

  play.addEventListener("click", () => {
    if (state.timer) return stop();
    if (slider.value === slider.max) slider.value = "0";
    play.textContent = "Pause";
    show();
    state.timer = setInterval(() => {
      if (slider.value === slider.max) return stop();
      slider.value = String(Number(slider.value) + 1);
      show();
    }, 700);
  });
  slider.addEventListener("input", () => { stop(); show(); });
  veil.addEventListener("input", show);
  choose.addEventListener("change", () => { stop(); open(); });
  redrawn(chart, drawCurve);
  open();
}

function trajectoryCurve(trajectory, at, width, choose) {
  const height = 220, box = { left: 52, right: width - 14, top: 26, bottom: height - 42 };
  const points = trajectory.points;
  const cost = points.every((point) => point.nfe !== null) ? "nfe" : "t";
  const x = linear(domainOf(points.map((point) => point[cost]), false), [box.left, box.right]);
  const bounds = points.flatMap((point) => [point.miou, point.low, point.high]).filter((value) => value !== null);
  const domain = domainOf(bounds, false);
  const y = linear(domain, [box.bottom, box.top]);
  const spot = (point, place) => {
    const line = `${cost === "nfe" ? `${plain(point.nfe)} evaluations` : `t = ${plain(point.t)}`}: mIoU ${amount(point.miou, "fraction")}`;
    return svg("g", { class: place === at ? "spot now" : "spot", "data-tip": line, role: "img", "aria-label": line, onclick: () => choose(place) },
      point.low === null ? null : svg("line", { x1: x(point[cost]), x2: x(point[cost]), y1: y(point.low), y2: y(point.high), class: "bar" }),
      svg("circle", { cx: x(point[cost]), cy: y(point.miou), r: place === at ? 7 : 4.5 }));
  };
  return svg("svg", { width, height, role: "group", "aria-label": "mIoU along the solver's time" },
    axisBelow(x, linearTicks(...domainOf(points.map((point) => point[cost]), false), 5), box, cost === "nfe" ? "evaluations of f an image" : "end time", plain),
    axisLeft(y, linearTicks(...domain, 4), box, "mIoU of the set", (value) => amount(value, "fraction")),
    svg("path", { class: "front", d: points.map((point, place) => `${place ? "L" : "M"}${x(point[cost])},${y(point.miou)}`).join("") }),
    ...points.map(spot));
}
