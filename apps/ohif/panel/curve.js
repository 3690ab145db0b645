// @ts-check
// A small curve: how good each epoch was.

import { attribute, h, reveal, svg } from "./dom.js";

/** @typedef {readonly (readonly [number, number])[]} Points */

const WIDTH = 200;
const HEIGHT = 56;
const EDGE = 5;

/** What a figure shows now, so that it is drawn anew only when there are other points. @type {WeakMap<Element, string>} */
const drawn = new WeakMap();

/**
 * @param {Points} points
 * @returns {[number, number][]} Where they are in the picture, which they fill; higher is better.
 */
export function placed(points) {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [x0, y0] = [Math.min(...xs), Math.min(...ys)];
  const [wide, high] = [Math.max(...xs) - x0 || 1, Math.max(...ys) - y0 || 1];
  return points.map(([x, y]) => [
    EDGE + ((x - x0) / wide) * (WIDTH - 2 * EDGE),
    HEIGHT - EDGE - ((y - y0) / high) * (HEIGHT - 2 * EDGE),
  ]);
}

/**
 * @param {Points} points At least one.
 * @param {string} figure
 * @returns {string} Such as "Dice 0.412 at epoch 1, 0.731 at epoch 12, best 0.744".
 */
export function curveText(points, figure) {
  const told = ([x, y] = points[0]) => `${y.toFixed(3)} at epoch ${Number(x.toFixed(2))}`;
  const best = Math.max(...points.map(([, y]) => y)).toFixed(3);
  return `${figure} ${told(points[0])}, ${told(points[points.length - 1])}, best ${best}`;
}

/**
 * @param {HTMLElement} figure Is hidden while there are fewer than two points.
 * @param {Points} points
 * @param {string} name
 */
export function drawCurve(figure, points, name) {
  reveal(figure, points.length > 1);
  const key = points.join(" ");
  if (points.length < 2 || drawn.get(figure) === key) return;
  drawn.set(figure, key);
  const at = placed(points);
  const [x, y] = at[at.length - 1];
  const picture = svg("svg", { class: "curve", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  attribute(picture, "aria-label", curveText(points, name));
  picture.append(
    svg("line", { x1: 0, x2: WIDTH, y1: HEIGHT - 1, y2: HEIGHT - 1 }),
    svg("polyline", { points: at.map((place) => place.map((part) => part.toFixed(1)).join(" ")).join(", ") }),
    svg("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: 2.6 }),
  );
  const newest = points[points.length - 1][1].toFixed(3);
  figure.replaceChildren(h("figcaption", {}, h("span", {}, `${name} on validation images`), h("span", {}, newest)), picture);
}
