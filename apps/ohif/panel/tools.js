// @ts-check
// The tools a reader needs all the time; OHIF's own toolbox stays beside.

import { attribute, button, enable, h, list, press, reveal, say, section, style, within } from "./dom.js";
import { icon } from "./icons.js";
import { brushPresets, largestBrush, whyNot } from "./rules.js";

/** @typedef {import("./part.js").Part} Part */
/** @typedef {import("./part.js").Helpers} Helpers */
/** @typedef {import("../review/types.js").Review} Review */
/** @typedef {import("../review/types.js").Tool} Tool */

const MAX_GREY = 255;

/** @type {readonly {tool: Tool, text: string, key: string | null, told: string}[]} */
const TOOLS = [
  { tool: "brush", text: "Brush", key: "B", told: "Paints the chosen lesion" },
  { tool: "eraser", text: "Eraser", key: "E", told: "Takes away from the outline" },
  { tool: "contour", text: "Contour", key: null, told: "Draws a line around the lesion, or cuts a piece off" },
  { tool: "threshold", text: "Threshold", key: null, told: "Paints only where the image is as bright as chosen" },
  { tool: "pan", text: "Move", key: null, told: "Moves the image" },
  { tool: "windowLevel", text: "Contrast", key: null, told: "Brightness and contrast of the display" },
];

const USES_BRUSH = ["brush", "eraser", "threshold"];
const DOT_PX = { small: 4, medium: 8, large: 12, huge: 17 };

/**
 * @param {Helpers} helpers
 * @returns {Part}
 */
export function toolsPart({ review }) {
  const buttons = TOOLS.map(({ tool, text, key, told }) => {
    const made = button(text, () => review.setTool(tool), { title: told, "data-tool": tool }, icon(tool));
    if (key !== null) made.append(h("kbd", { "aria-hidden": "true" }, key));
    return made;
  });
  const undo = button("", () => review.undo(), { class: "plain icon", "aria-label": "Undo", title: "Undo (Ctrl+Z)", "data-part": "undo" }, icon("undo"));
  const redo = button("", () => review.redo(), { class: "plain icon", "aria-label": "Redo", title: "Redo (Ctrl+Y)", "data-part": "redo" }, icon("redo"));
  const brush = brushRow(review);
  const threshold = thresholdRow(review);
  const steps = h("span", {}, undo, redo);
  return {
    element: section("tools", "Tools", steps, h("div", { class: "tools" }, ...buttons), brush.element, threshold.element),
    update(state) {
      const mayEdit = whyNot(state, "edit") === null;
      for (const made of buttons) {
        press(made, made.getAttribute("data-tool") === state.tool);
        enable(made, mayEdit);
      }
      enable(undo, whyNot(state, "undo") === null);
      enable(redo, whyNot(state, "redo") === null);
      brush.update(state);
      threshold.update(state);
    },
  };
}

/**
 * @param {Review} review
 * @returns {Part}
 */
function brushRow(review) {
  const presets = h("span", { class: "presets", role: "group", "aria-label": "Brush sizes" });
  const slider = h("input", { type: "range", min: 1, step: 1, "aria-label": "Radius of the brush in pixels" });
  const told = h("output");
  const element = h("div", { class: "sizes", "data-part": "brush-size" }, presets, slider, told);
  slider.addEventListener("input", () => review.setBrushSize(Number(slider.value)));
  return {
    element,
    update(state) {
      reveal(element, state.image !== null && state.tool !== null && USES_BRUSH.includes(state.tool));
      if (state.image === null) return;
      const sizes = brushPresets(state.image.columns);
      list(presets, sizes, ({ name, radius }) => `${name} ${radius}`, (size) => presetButton(review, size), (made, { radius }) => press(made, radius === state.brushSize));
      attribute(slider, "max", Math.max(largestBrush(state.image.columns), state.brushSize));
      if (slider.value !== String(state.brushSize)) slider.value = String(state.brushSize);
      say(told, `${state.brushSize} px`);
    },
  };
}

/**
 * @param {Review} review
 * @param {{name: string, radius: number}} size
 */
function presetButton(review, { name, radius }) {
  const dot = h("span", { class: "dot", "aria-hidden": "true" });
  const side = `${DOT_PX[/** @type {keyof typeof DOT_PX} */ (name)]}px`;
  style(dot, "width", side);
  style(dot, "height", side);
  const label = `${name[0].toUpperCase()}${name.slice(1)} brush, radius ${radius} px`;
  return button("", () => review.setBrushSize(radius), { "aria-label": label, title: label, "data-radius": radius }, dot);
}

/**
 * @param {Review} review
 * @returns {Part}
 */
function thresholdRow(review) {
  const low = h("input", { type: "range", min: 0, max: MAX_GREY, "aria-label": "Darkest grey that is painted" });
  const high = h("input", { type: "range", min: 0, max: MAX_GREY, "aria-label": "Brightest grey that is painted" });
  const told = h("output");
  const from = h("div", { class: "sizes" }, h("span", {}, "From"), low);
  const to = h("div", { class: "sizes" }, h("span", {}, "To"), high);
  const element = h("div", { "data-part": "threshold" }, h("p", { class: "muted" }, "Grey levels ", told), from, to);
  low.addEventListener("input", () => review.setThreshold(Number(low.value), Math.max(Number(low.value), Number(high.value))));
  high.addEventListener("input", () => review.setThreshold(Math.min(Number(low.value), Number(high.value)), Number(high.value)));
  return {
    element,
    update({ tool, image, threshold }) {
      reveal(element, image !== null && tool === "threshold");
      [low, high].forEach((slider, i) => {
        if (slider.value !== String(threshold[i])) slider.value = String(threshold[i]);
      });
      say(within(element, "output"), `${threshold[0]} to ${threshold[1]}`);
    },
  };
}
