// The theme puts a row of buttons on each block of code, which readers by ear should be able to tell apart, and lets wide tables
// scroll, which readers without a mouse should be able to do.
new MutationObserver(() => {
  document.querySelectorAll("nav.md-code__nav").forEach((row, number) => {
    if (!row.hasAttribute("aria-label")) row.setAttribute("aria-label", `Code ${number + 1}`);
  });
  for (const table of document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])")) {
    table.tabIndex = 0;
    table.setAttribute("role", "group");
    table.setAttribute("aria-label", "table");
  }
}).observe(document.body, { childList: true, subtree: true });

// The pictures that move. Their numbers stand in the page (grader/site/moving.py); points are bytes, 40 to a unit.
const UNIT = 40;

function unpacked(text) {
  return Int8Array.from(atob(text), (sign) => (sign.charCodeAt(0) << 24) >> 24);
}

function colour(name) {
  return getComputedStyle(document.body).getPropertyValue(`--${name}`).trim();
}

function element(tag, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
}

let counted = 0;

/* A canvas with its controls above and what they say below. It shows the plane up to `edge`; `draw` gets it to draw on whenever
   a control changes, and returns what is said. */
class Stage {
  constructor(figure, edge, draw) {
    this.edge = edge;
    this.draw = draw;
    this.title = figure.dataset.title;
    this.canvas = element("canvas");
    this.canvas.setAttribute("role", "img");
    this.controls = element("div", { className: "controls" });
    this.said = element("output");
    figure.prepend(this.controls, this.canvas, this.said);
    new ResizeObserver(() => this.show()).observe(this.canvas);
    new MutationObserver(() => this.show()).observe(document.body, { attributeFilter: ["data-md-color-scheme"] });
  }

  slider(name, values, start, shown = String) {
    const id = `moving-${++counted}`, value = element("span", { className: "value" });
    const input = element("input", { type: "range", id, min: 0, max: values.length - 1, step: 1, value: values.indexOf(start) });
    const tell = () => { value.textContent = shown(values[input.value]); input.setAttribute("aria-valuetext", value.textContent); };
    input.addEventListener("input", () => { tell(); this.show(); });
    this.controls.append(element("label", { htmlFor: id }, name), input, value);
    tell();
    return () => values[input.value];
  }

  choice(name, values) {
    const id = `moving-${++counted}`, input = element("select", { id });
    for (const [value, text] of values) input.append(element("option", { value }, text));
    input.addEventListener("change", () => this.show());
    this.controls.append(element("label", { htmlFor: id }, name), input);
    return () => input.value;
  }

  show() {
    const size = this.canvas.clientWidth, dense = window.devicePixelRatio || 1;
    if (!size) return;
    this.canvas.width = this.canvas.height = Math.round(size * dense);
    const pen = this.canvas.getContext("2d"), scale = (size * dense) / (2 * this.edge);
    pen.setTransform(scale, 0, 0, -scale, this.edge * scale, this.edge * scale);
    this.said.textContent = this.draw({
      points(places, colours, radius = 0.035) {
        for (let n = 0; n < places.length / 2; n++) {
          pen.fillStyle = typeof colours === "string" ? colours : colours[n];
          pen.beginPath();
          pen.arc(places[2 * n] / UNIT, places[2 * n + 1] / UNIT, radius, 0, 2 * Math.PI);
          pen.fill();
        }
      },
      ways(path, colours) {
        pen.lineWidth = 0.014;
        for (let n = 0; n < path[0].length / 2; n++) {
          pen.strokeStyle = colours[n];
          pen.beginPath();
          for (const places of path) pen.lineTo(places[2 * n] / UNIT, places[2 * n + 1] / UNIT);
          pen.stroke();
        }
      },
    });
    this.canvas.setAttribute("aria-label", `${this.title}: ${this.said.textContent}`);
  }
}

/* Distance by calls, both in doublings or tens: all samplers in grey, the chosen one in colour, with a dot where one stands. */
class Chart {
  constructor(stage, readings) {
    this.readings = readings;
    this.canvas = element("canvas", { className: "chart" });
    this.canvas.setAttribute("role", "img");
    stage.canvas.after(this.canvas);
  }

  show(found) {
    const dense = window.devicePixelRatio || 1, width = this.canvas.clientWidth, height = this.canvas.clientHeight;
    this.canvas.width = Math.round(width * dense);
    this.canvas.height = Math.round(height * dense);
    const pen = this.canvas.getContext("2d"), left = 40, below = height - 34;
    const across = (calls) => left + ((width - left - 12) * Math.log2(calls)) / 7;
    const up = (distance) => below - ((below - 10) * (Math.log10(Math.min(Math.max(distance, 0.02), 10)) - Math.log10(0.02))) / Math.log10(500);
    pen.scale(dense, dense);
    pen.font = `12px ${getComputedStyle(this.canvas).fontFamily}`;
    pen.fillStyle = colour("soft");
    pen.textAlign = "center";
    for (const calls of [1, 2, 4, 8, 16, 32, 64, 128]) pen.fillText(calls, across(calls), below + 16);
    pen.fillText("distance to the data, by calls of the model", (left + width) / 2, height - 2);
    pen.textAlign = "right";
    pen.strokeStyle = colour("line");
    for (const distance of [0.1, 1, 10]) {
      pen.fillText(distance, left - 8, up(distance) + 4);
      pen.beginPath();
      pen.moveTo(left, up(distance));
      pen.lineTo(width - 12, up(distance));
      pen.stroke();
    }
    const names = [...new Set(this.readings.map((one) => one.sampler))].filter((name) => name !== found.sampler);
    for (const name of [...names, found.sampler]) {
      const own = name === found.sampler;
      pen.strokeStyle = own ? colour("model") : colour("static");
      pen.globalAlpha = own ? 1 : 0.45;
      pen.lineWidth = own ? 2.5 : 1;
      pen.beginPath();
      for (const one of this.readings) if (one.sampler === name) pen.lineTo(across(one.calls), up(one.distance));
      pen.stroke();
    }
    pen.fillStyle = colour("model");
    pen.beginPath();
    pen.arc(across(found.calls), up(found.distance), 5, 0, 2 * Math.PI);
    pen.fill();
    const all = this.readings.filter((one) => one.sampler === found.sampler).map((one) => `${one.distance} in ${one.calls}`);
    this.canvas.setAttribute("aria-label", `Distance by calls of ${found.sampler}: ${all.join(", ")}`);
  }
}

function byKind(kinds) {
  const colours = [colour("data"), colour("model"), colour("other")];
  return [...kinds].map((kind) => colours[kind]);
}

const MOVING = {
  forward(figure, numbers) {
    const x0 = unpacked(numbers.x0), noise = unpacked(numbers.noise), last = numbers.kept.length - 1;
    const stage = new Stage(figure, 3.1, (plane) => {
      const kept = numbers.kept[t()], added = numbers.added[t()];
      plane.points(Array.from(x0, (place, n) => kept * place + added * noise[n]), byKind(numbers.kinds));
      return `t = ${t()}: ${kept.toFixed(2)} of the data, ${added.toFixed(2)} of the noise`;
    });
    const t = stage.slider("level t", [...numbers.kept.keys()], Math.round(last / 4));
    return stage;
  },

  dial(figure, numbers) {
    const names = [...new Map(numbers.readings.map((one) => [one.sampler, `${one.sampler} (section ${one.section.replace(", ", " or ")})`]))];
    const calls = [...new Set(numbers.readings.map((one) => one.calls))].sort((a, b) => a - b);
    const data = unpacked(numbers.data);
    const stage = new Stage(figure, 2.2, (plane) => {
      const own = numbers.readings.filter((one) => one.sampler === sampler());
      const found = own.filter((one) => one.calls <= wanted()).pop() ?? own[0];
      plane.points(data, colour("line"), 0.06);
      plane.points(unpacked(found.points), colour("model"));
      chart.show(found);
      const least = found.calls > wanted() ? ` (it needs ${found.calls} at least)` : "";
      return `${found.sampler}, ${found.asked} call${found.asked === 1 ? "" : "s"}${least}: ` +
        `distance ${found.distance.toFixed(3)}, ${(100 * found.off).toFixed(1)}% off the data`;
    });
    const chart = new Chart(stage, numbers.readings);
    const sampler = stage.choice("sampler", names);
    const wanted = stage.slider("calls of the model", calls, 8);
    return stage;
  },

  guidance(figure, numbers) {
    const data = unpacked(numbers.data), points = numbers.points.map(unpacked);
    const stage = new Stage(figure, 2.2, (plane) => {
      plane.points(data, colour("line"), 0.06);
      plane.points(points[numbers.scales.indexOf(scale())], byKind(numbers.kinds));
      const means = { 0: "no label is asked for", 1: "the labels as they are" };
      return `scale ${scale()}: ${means[scale()] ?? (scale() < 1 ? "less than the labels say" : "more than the labels say")}`;
    });
    const scale = stage.slider("scale", numbers.scales, 1);
    return stage;
  },

  reflow(figure, numbers) {
    const stage = new Stage(figure, 2.6, (plane) => {
      const of = numbers[model()], path = of.paths[steps()].map(unpacked);
      plane.ways(path, byKind(of.kinds));
      plane.points(path[0], colour("static"), 0.025);
      plane.points(path[path.length - 1], byKind(of.kinds));
      return `${steps()} step${steps() === "1" ? "" : "s"}; straightness S = ${of.straightness.toFixed(2)}, and 0 is straight`;
    });
    const model = stage.choice("flow", [["flow", "as it was trained"], ["reflowed", "after one reflow"]]);
    const steps = stage.slider("Euler steps", Object.keys(numbers.flow.paths).sort((a, b) => a - b), "48");
    return stage;
  },
};

for (const figure of document.querySelectorAll("figure.moving")) {
  MOVING[figure.dataset.moving](figure, JSON.parse(figure.querySelector("script").textContent)).show();
}
