// Where an adaptive network has spent its computation: the stages at which parts of an image had finished, policy by policy.

function drawDepths(section) {
  const find = (selector) => section.querySelector(selector);
  const choose = find("select[name=network]"), slider = find("input[name=policy]"), layer = find("select[name=layer]");
  const veil = find("input[name=veil]"), strip = find(".strip"), said = find("[aria-live]");
  let image = 0;
  const current = () => DATA.depths[Number(choose.value)];

  function show() {
    const way = current().ways[Number(slider.value)], picture = current().pictures[image];
    slider.setAttribute("aria-valuetext", way.name);
    find(".photo").src = picture.photo;
    find(".labels").src = way.images[image][layer.value];
    find(".labels").style.opacity = String(veil.value / 100);
    const facts = [
      ["policy", way.name], ["mIoU of the set", amount(way.miou, "fraction")],
      ["MACs an image", amount(way.macs, "count")], ["time an image", amount(way.seconds, "second")],
    ];
    replace(find("dl"), ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
    said.textContent = facts.map(([name, value]) => `${name} ${value}`).join(", ");
  }

  function open() {
    const view = current();
    slider.max = String(view.ways.length - 1);
    slider.value = String(Math.floor((view.ways.length - 1) / 2));
    image = 0;
    replace(strip, ...view.pictures.map((picture, at) => el("button", {
      type: "button", "aria-pressed": String(at === 0), "aria-label": `image ${picture.name}`,
      onclick: (event) => {
        image = at;
        [...strip.children].forEach((child) => child.setAttribute("aria-pressed", String(child === event.currentTarget)));
        show();
      },
    }, el("img", { src: picture.photo, alt: "", width: "80" }))));
    replace(find(".stages"), ...Object.entries(view.legend).map(([words, colour]) => el("li", {}, el("span", { style: `background:${colour}` }), words)));
    show();
  }

  for (const input of [slider, veil]) input.addEventListener("input", show);
  layer.addEventListener("change", show);
  choose.addEventListener("change", open);
  open();
}
