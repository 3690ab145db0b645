// @ts-check
// What the models say of the picture, in words and figures. Every figure comes from the server.

import { at, h, number, percent, say, show, table } from "../dom.js";
import { bars, describe } from "../picture/findings.js";

/** @typedef {import("./held.js").Held} Held */

const DOUBT_WORDS = /** @type {Array<[number, string]>} */ ([
  [0.15, "low"],
  [0.35, "some"],
  [1.01, "high"],
]);

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
    ["Outline", doubtful(params.uncertainty)],
    ["Pathology", doubtful(params.pathology_uncertainty)],
    ["Models", [...new Set(Object.values(params.models))].join(", ")],
  ]);
  show(at("lesions"), params.lesions.length ? sizes(params.lesions) : "No lesion is outlined.");
  say(at("scale"), scaleOf(held));
}

/** @param {number | null} doubt */
function doubtful(doubt) {
  if (doubt === null) return "uncertainty not told";
  const words = DOUBT_WORDS.find(([below]) => doubt < below);
  return `uncertainty ${doubt.toFixed(2)} of 1 (${words?.[1]})`;
}

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
  const unit = lesions[0].measurements.unit;
  const digits = unit === "mm" ? 1 : 0;
  const rows = lesions.map(({ measurements: of, pathology, probabilities }, index) => [
    `${index + 1}`,
    `${pathology} ${percent(probabilities[pathology])}`,
    number(of.long_axis, digits),
    number(of.short_axis, digits),
    number(of.width, digits),
    number(of.height, digits),
    number(of.area, digits),
  ]);
  /** @type {Array<string | [string, string]>} */
  const heads = [
    "Lesion",
    "Pathology",
    [`Long axis ${unit}`, "figure"],
    [`Short axis ${unit}`, "figure"],
    [`Width ${unit}`, "figure"],
    [`Height ${unit}`, "figure"],
    [`Area ${unit === "mm" ? "mm²" : "px"}`, "figure"],
  ];
  return table("Lesions, the largest first", heads, rows);
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
