// @ts-check
// The learning curve so far: how good each version was, against the labels it was trained on.

import { at, counted, nothing, number, show } from "../../dom.js";
import { lineChart } from "../chart.js";
import { FIGURES, TASKS } from "./training.js";

/** @param {Record<string, any>} models `models` of the snapshot. */
export function showCurve(models) {
  const series = Object.entries(TASKS).flatMap(([task, title]) => {
    const versions = models[task]?.versions ?? [];
    /** @type {import("../chart.js").Point[]} */
    const points = versions.filter(drawn).map(point);
    if (!points.length) return [];
    const figure = FIGURES[/** @type {keyof typeof FIGURES} */ (versions[0].figure)];
    return [{ name: `${title} (${figure})`, className: task, points: points.sort((a, b) => a.x - b.x) }];
  });
  if (!series.length) {
    show(at("curve-chart"), nothing("The first point comes with the first training here."));
    return;
  }
  show(
    at("curve-chart"),
    lineChart({
      key: "learning",
      title: "Figure against labels; hollow: not published",
      xLabel: "labels trained on",
      yLabel: "Dice, AUC",
      series,
      whole: true,
      width: 520,
      height: 290,
    }),
  );
}

/**
 * Versions that were trained here; what came with the program was measured on other patients.
 * @param {any} version
 */
const drawn = (version) => version.gate !== null && version.labels !== null && figureOf(version) !== null;

/** @param {any} version */
const figureOf = (version) => version.gate.candidate ?? version.validation;

/**
 * @param {any} version
 * @returns {import("../chart.js").Point}
 */
function point(version) {
  const figure = FIGURES[/** @type {keyof typeof FIGURES} */ (version.figure)];
  const where = version.gate.candidate === null ? "on its own validation images" : "on the locked patients";
  const value = `${figure} ${number(figureOf(version))} ${where}`;
  return {
    x: version.labels,
    y: figureOf(version),
    told: `${counted(version.labels, "label")}: ${value}, ${version.gate.verdict}`,
    hollow: version.gate.verdict !== "published",
  };
}
