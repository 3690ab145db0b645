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
      title: "Validation figure against labels",
      xLabel: "labels trained on",
      yLabel: "validation figure",
      series,
      width: 520,
      height: 250,
    }),
  );
}

/** @param {any} version */
const drawn = (version) => version.labels !== null && version.validation !== null;

/**
 * @param {any} version
 * @returns {import("../chart.js").Point}
 */
function point(version) {
  const verdict = version.gate ? `, ${version.gate.verdict}` : "";
  const figure = FIGURES[/** @type {keyof typeof FIGURES} */ (version.figure)];
  return {
    x: version.labels,
    y: version.validation,
    told: `${counted(version.labels, "label")}: ${figure} ${number(version.validation)}${verdict}`,
    hollow: Boolean(version.gate && version.gate.verdict !== "published"),
  };
}
