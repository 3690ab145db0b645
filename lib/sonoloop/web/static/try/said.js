// @ts-check
// What the models say of the picture, in words and figures. Every figure comes from the server.

import { at, h, number, percent, say, show, table } from "../dom.js";
import { bars, describe } from "../picture/findings.js";

/** @typedef {import("./held.js").Held} Held */

/** Nothing is said, for there is no picture or no answer yet. @param {string} why */
export function sayNothing(why) {
  at("said").hidden = true;
  at("nothing-said").hidden = false;
  say(at("nothing-said"), why);
}

/**
 * @param {any} params What the inference told.
 * @param {Held} held
 */
export function sayFindings(params, held) {
  at("nothing-said").hidden = true;
  at("said").hidden = false;
  const likely = percent(params.probabilities[params.pathology]);
  show(at("verdict"), "Most probable: ", h("b", {}, params.pathology), ` (${likely})`);
  at("bars").replaceChildren(...bars(params));
  describe(at("doubts"), [
    ["Doubt of the outline", doubtful(params.uncertainty)],
    ["Doubt of the pathology", doubtful(params.pathology_uncertainty)],
    ["Outlined by", params.models.segmentation],
    ["Assessed by", params.models.classification],
  ]);
  show(at("lesions"), params.lesions.length ? sizes(params.lesions) : "No lesion is outlined.");
  say(at("scale"), scaleOf(held));
}

/** @param {number | null} doubt */
const doubtful = (doubt) => (doubt === null ? "not told" : doubt.toFixed(2));

/** @param {Held} held */
function scaleOf({ spacing }) {
  if (spacing === null) {
    return "The file states no calibration: sizes are in pixels, and millimetres cannot be told.";
  }
  const [row, column] = spacing.map((value) => value.toFixed(4));
  return `Calibrated by the file: ${row} mm a row, ${column} mm a column.`;
}

/** @param {any[]} lesions */
function sizes(lesions) {
  const isMm = lesions[0].measurements.unit === "mm";
  const length = (/** @type {string} */ key) => (/** @type {any} */ { measurements: of }) =>
    `${number(of[key], isMm ? 1 : 0)} ${of.unit}`;
  /** @type {Array<[string, (lesion: any) => string]>} */
  const figures = [
    ["Pathology", ({ pathology, probabilities }) => `${pathology} ${percent(probabilities[pathology])}`],
    ["Long axis", length("long_axis")],
    ["Short axis", length("short_axis")],
    ["Width", length("width")],
    ["Height", length("height")],
    ["Height / width", ({ measurements: of }) => number(of.depth_to_width, 2)],
    ["Perimeter", length("perimeter")],
    ["Area", ({ measurements: of }) => `${number(of.area, isMm ? 1 : 0)} ${isMm ? "mm²" : "px"}`],
  ];
  /** @type {Array<[string, string]>} */
  const columns = lesions.map((_, index) => [`Lesion ${index + 1}`, "figure"]);
  const rows = figures.map(([name, told]) => [name, ...lesions.map(told)]);
  return table("Sizes of the lesions, the largest first", ["", ...columns], rows);
}

/** @param {Held} held */
export function sayFile(held) {
  const size = held.file.size;
  const weight = size < 2 ** 20 ? `${Math.ceil(size / 1024)} kB` : `${(size / 2 ** 20).toFixed(1)} MB`;
  describe(at("facts"), [
    ["Name", held.file.name],
    ["Picture", `${held.columns} x ${held.rows} px${held.frames > 1 ? `, ${held.frames} frames` : ""}`],
    ["File", weight],
  ]);
  at("mind").hidden = !held.notes.length;
  show(at("mind"), ...held.notes.map((note) => h("li", {}, note)));
  say(at("name"), held.file.name);
}
