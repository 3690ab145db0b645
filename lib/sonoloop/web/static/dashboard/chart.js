// @ts-check
// Charts made by hand: lines and bars as SVG, with axes, a name, and a value that is told under
// the pointer and by the arrow keys.

import { h, svg } from "../dom.js";

/**
 * @typedef {{x: number, y: number, told: string, hollow?: boolean}} Point
 * @typedef {{name: string, className: string, points: Point[]}} Series
 * @typedef {{key: string, title: string, xLabel: string, yLabel: string, series: Series[],
 *   width?: number, height?: number, yFrom?: number, yTo?: number, whole?: boolean}} LineChart
 * @typedef {{key: string, title: string, yLabel: string, width?: number, height?: number,
 *   bars: {label: string, value: number, told: string}[]}} BarChart
 */

const MARGIN = { top: 10, right: 12, bottom: 34 };
const LEFT = { named: 52, plain: 36 }; // room for tick texts, with and without a name
const MOST_DOTS = 12; // a longer line is told by itself, and its newest point

/** Where the reader of a chart is: key of the chart, number of the point. */
const places = new Map();

/**
 * @param {number} from
 * @param {number} to
 * @param {number} [about] Ticks that are wanted.
 * @returns {number[]} Round values within the range.
 */
export function ticks(from, to, about = 4) {
  if (!(to > from)) return [from];
  const raw = (to - from) / about;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = /** @type {number} */ ([1, 2, 5, 10].find((nice) => nice * power >= raw)) * power;
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(10)));
}

/**
 * @param {number[]} values
 * @param {number | undefined} from
 * @param {number | undefined} to
 * @returns {[number, number]} A range that holds every value with a little air.
 */
function range(values, from, to) {
  let low = Math.min(...values);
  let high = Math.max(...values);
  const air = (high - low || Math.abs(high) || 1) * 0.08;
  low = from ?? low - air;
  high = to ?? high + air;
  return [low, high > low ? high : low + 1];
}

/**
 * @param {number[]} values Ticks of one axis.
 * @param {(value: number) => number} place
 * @returns {[number, string][]} Where each is, and its text: as many digits as tell them apart.
 */
function placed(values, place) {
  const step = values.length > 1 ? values[1] - values[0] : 1;
  const digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
  return values.map((value) => [place(value), value.toFixed(digits)]);
}

/**
 * @param {number} width
 * @param {number} height
 * @param {string} name Of the vertical axis.
 * @returns {{left: number, w: number, h: number}} Where the points are drawn.
 */
function frame(width, height, name) {
  const left = name ? LEFT.named : LEFT.plain;
  return { left, w: width - left - MARGIN.right, h: height - MARGIN.top - MARGIN.bottom };
}

/**
 * @param {LineChart} chart
 * @returns {HTMLElement} A figure.
 */
export function lineChart(chart) {
  const { width = 460, height = 190, series } = chart;
  const all = series.flatMap((line) => line.points);
  const [x0, x1] = range(all.map((p) => p.x), undefined, undefined);
  const [y0, y1] = range(all.map((p) => p.y), chart.yFrom, chart.yTo);
  const inner = frame(width, height, chart.yLabel);
  const px = (/** @type {number} */ x) => inner.left + ((x - x0) / (x1 - x0)) * inner.w;
  const py = (/** @type {number} */ y) => MARGIN.top + (1 - (y - y0) / (y1 - y0)) * inner.h;
  const xs = ticks(x0, x1, Math.max(2, Math.floor(inner.w / 56)));
  const picture = canvas(width, height, inner, {
    xs: placed(chart.whole ? xs.filter(Number.isInteger) : xs, px),
    ys: placed(ticks(y0, y1, Math.max(2, Math.floor(inner.h / 28))), py),
    xLabel: chart.xLabel,
    yLabel: chart.yLabel,
  });
  for (const line of series) {
    const path = line.points.map((p, i) => `${i ? "L" : "M"}${px(p.x).toFixed(1)} ${py(p.y).toFixed(1)}`);
    if (path.length > 1) picture.append(svg("path", { class: `line ${line.className}`, d: path.join("") }));
    const dots = line.points.length <= MOST_DOTS ? line.points : line.points.slice(-1);
    for (const p of dots) {
      const kind = `dot ${line.className}${p.hollow ? " hollow" : ""}`;
      picture.append(svg("circle", { class: kind, cx: px(p.x), cy: py(p.y), r: 3.2 }));
    }
  }
  const stops = series
    .flatMap((line) => line.points.map((p) => ({ x: px(p.x), y: py(p.y), told: p.told })))
    .sort((a, b) => a.x - b.x);
  return figure(chart, picture, stops, series.length > 1 ? legend(series) : null);
}

/**
 * @param {BarChart} chart
 * @returns {HTMLElement} A figure.
 */
export function barChart(chart) {
  const { width = 460, height = 130, bars } = chart;
  const high = Math.max(1, ...bars.map((bar) => bar.value));
  const inner = frame(width, height, chart.yLabel);
  const step = inner.w / bars.length;
  const py = (/** @type {number} */ y) => MARGIN.top + (1 - y / high) * inner.h;
  const shown = Math.ceil(bars.length / Math.floor(inner.w / 48));
  const middle = (/** @type {number} */ i) => inner.left + (i + 0.5) * step;
  const picture = canvas(width, height, inner, {
    xs: bars.flatMap((bar, i) =>
      (bars.length - 1 - i) % shown === 0 ? [/** @type {[number, string]} */ ([middle(i), bar.label])] : [],
    ),
    ys: placed(ticks(0, high, 2).filter(Number.isInteger), py),
    xLabel: "",
    yLabel: chart.yLabel,
  });
  bars.forEach((bar, i) => {
    const top = py(bar.value);
    const box = { x: middle(i) - step * 0.36, y: top, width: step * 0.72, height: py(0) - top };
    picture.append(svg("rect", { class: "bar-shape", rx: 2, ...box }));
  });
  const stops = bars.map((bar, i) => ({ x: middle(i), y: py(bar.value), told: bar.told }));
  return figure(chart, picture, stops, null);
}

/**
 * @param {number} width
 * @param {number} height
 * @param {{left: number, w: number, h: number}} inner
 * @param {{xs: [number, string][], ys: [number, string][], xLabel: string, yLabel: string}} axes
 * @returns {SVGElement}
 */
function canvas(width, height, inner, axes) {
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart" });
  const bottom = MARGIN.top + inner.h;
  for (const [y, text] of axes.ys) {
    picture.append(
      svg("line", { class: "grid", x1: inner.left, x2: inner.left + inner.w, y1: y, y2: y }),
      svg("text", { class: "tick", x: inner.left - 6, y: y + 4, "text-anchor": "end" }, text),
    );
  }
  for (const [x, text] of axes.xs) {
    picture.append(svg("text", { class: "tick", x, y: bottom + 15, "text-anchor": "middle" }, text));
  }
  picture.append(
    svg("line", { class: "axis", x1: inner.left, x2: inner.left + inner.w, y1: bottom, y2: bottom }),
    svg("line", { class: "axis", x1: inner.left, x2: inner.left, y1: MARGIN.top, y2: bottom }),
    svg("text", { class: "axis-name", x: inner.left + inner.w / 2, y: height - 4, "text-anchor": "middle" }, axes.xLabel),
    svg(
      "text",
      { class: "axis-name", "text-anchor": "middle", transform: `translate(11 ${MARGIN.top + inner.h / 2}) rotate(-90)` },
      axes.yLabel,
    ),
  );
  return picture;
}

/** @param {Series[]} series */
function legend(series) {
  const entries = series.map((line) =>
    h("li", {}, h("span", { class: `swatch ${line.className}`, "aria-hidden": "true" }), line.name),
  );
  return h("ul", { class: "legend" }, ...entries);
}

/**
 * Puts a picture into a figure that tells its points under the pointer and by the arrow keys.
 * @param {{key: string, title: string}} chart
 * @param {SVGElement} picture
 * @param {{x: number, y: number, told: string}[]} stops From left to right.
 * @param {HTMLElement | null} below
 * @returns {HTMLElement}
 */
function figure(chart, picture, stops, below) {
  const last = stops.length - 1;
  const mark = svg("circle", { class: "mark", r: 5 });
  const output = h("output", { class: "told" });
  const tell = (/** @type {number} */ i) => {
    if (!stops[i]) return;
    mark.setAttribute("cx", String(stops[i].x));
    mark.setAttribute("cy", String(stops[i].y));
    mark.classList.add("on");
    output.textContent = stops[i].told;
    picture.setAttribute("aria-valuenow", String(i + 1));
    picture.setAttribute("aria-valuetext", stops[i].told);
  };
  const rest = () => {
    tell(last);
    mark.classList.remove("on");
  };
  picture.append(mark);
  for (const [name, value] of Object.entries({
    role: "slider",
    tabindex: 0,
    "data-key": `chart ${chart.key}`,
    "aria-label": `${chart.title}, ${stops.length} points; arrow keys tell each`,
    "aria-valuemin": 1,
    "aria-valuemax": Math.max(1, stops.length),
    "aria-valuenow": Math.max(1, stops.length),
    "aria-readonly": "true",
  })) {
    picture.setAttribute(name, String(value));
  }
  picture.addEventListener("keydown", (event) => onKey(event, chart.key, last, tell));
  picture.addEventListener("focus", () => tell(Math.min(places.get(chart.key) ?? last, last)));
  picture.addEventListener("blur", () => {
    places.delete(chart.key);
    rest();
  });
  picture.addEventListener("pointermove", (event) => tell(nearest(picture, stops, event)));
  picture.addEventListener("pointerleave", rest);
  rest();
  return h("figure", {}, h("figcaption", {}, h("span", {}, chart.title), output), picture, below);
}

/**
 * @param {KeyboardEvent} event
 * @param {string} key
 * @param {number} last
 * @param {(i: number) => void} tell
 */
function onKey(event, key, last, tell) {
  const here = Math.min(places.get(key) ?? last, last);
  const moves = { ArrowLeft: here - 1, ArrowDown: here - 1, ArrowRight: here + 1, ArrowUp: here + 1, Home: 0, End: last };
  const to = moves[/** @type {keyof typeof moves} */ (event.key)];
  if (to === undefined) return;
  event.preventDefault();
  places.set(key, Math.max(0, Math.min(last, to)));
  tell(places.get(key));
}

/**
 * @param {SVGElement} picture
 * @param {{x: number, y: number}[]} stops
 * @param {PointerEvent} event
 * @returns {number} The stop nearest to the pointer, in both directions, across first.
 */
function nearest(picture, stops, event) {
  const box = picture.getBoundingClientRect();
  const [, , width, height] = (picture.getAttribute("viewBox") ?? "").split(" ").map(Number);
  const x = ((event.clientX - box.left) / box.width) * width;
  const y = ((event.clientY - box.top) / box.height) * height;
  const away = stops.map((stop) => 4 * Math.abs(stop.x - x) + Math.abs(stop.y - y));
  return away.indexOf(Math.min(...away));
}

/**
 * One bar of shares, one piece for each class.
 * @param {{className: string, name: string, value: number}[]} pieces
 * @param {number} whole What fills the width.
 * @returns {SVGElement}
 */
export function shares(pieces, whole) {
  const told = pieces.filter((piece) => piece.value).map((piece) => `${piece.name} ${piece.value}`).join(", ");
  const picture = svg("svg", { class: "shares", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": told || "none" });
  let x = 0;
  for (const piece of pieces) {
    const width = whole ? (100 * piece.value) / whole : 0;
    picture.append(svg("rect", { class: piece.className, x, y: 0, width, height: 10 }, svg("title", {}, `${piece.name}: ${piece.value}`)));
    x += width;
  }
  return picture;
}
