// @ts-check
// What the models say about the open image, and how sure they are.

import { attribute, button, enable, h, list, press, relabel, reveal, say, section, style, within } from "./dom.js";
import { isBusy, whyNot } from "./rules.js";
import { counted, outlineDoubt, pathologyDoubt, PATHOLOGIES, percent } from "./words.js";

/** @typedef {import("./part.js").Part} Part */
/** @typedef {import("./part.js").Helpers} Helpers */
/** @typedef {import("../review/types.js").Prediction} Prediction */

/**
 * @param {Prediction} prediction
 * @returns {{pathology: string, share: number, isMost: boolean}[]} From harmless to worst.
 */
export function bars(prediction) {
  const known = /** @type {readonly string[]} */ (PATHOLOGIES);
  return Object.entries(prediction.probabilities)
    .map(([pathology, share]) => ({ pathology, share, isMost: pathology === prediction.pathology }))
    .sort((a, b) => known.indexOf(a.pathology) - known.indexOf(b.pathology));
}

/** @param {Prediction} prediction */
export const found = (prediction) => (prediction.lesions === 0 ? "no lesion" : counted(prediction.lesions, "lesion"));

/** @param {{pathology: string}} bar */
function row({ pathology }) {
  const track = h("span", { class: "track", "aria-hidden": "true" }, h("span", { class: "fill" }));
  return h("li", { class: pathology }, h("span", {}, pathology), track, h("span", { class: "value" }));
}

/**
 * @param {Helpers} helpers
 * @returns {Part}
 */
export function predictionPart({ review }) {
  const told = h("p", { class: "muted", "data-part": "found" });
  const rows = h("ul", { class: "bars", "aria-label": "Probabilities" });
  const outline = h("dd", { "data-part": "outline-doubt" });
  const pathology = h("dd", { "data-part": "pathology-doubt" });
  const doubts = h("dl", { class: "doubts" }, h("dt", {}, "Doubt, outline"), outline, h("dt", {}, "Doubt, pathology"), pathology);
  const explain = button("Show what spoke for it", () => review.toggleExplanation(), { "data-part": "explain" });
  const reason = h("p", { class: "muted", "data-part": "explain-reason" });
  const ask = button("Ask again", () => review.predict(), { class: "plain", "data-part": "predict" });
  const body = h("div", {}, rows, doubts, h("div", { class: "row" }, explain), reason);
  return {
    element: section("prediction", "AI suggestion", h("span", { class: "row" }, told, ask), body),
    update(state) {
      const { prediction } = state;
      enable(ask, whyNot(state, "predict") === null, isBusy(state, "predict"));
      say(told, prediction ? found(prediction) : state.stage === "loading" ? "on its way" : "none yet");
      reveal(body, prediction !== null);
      if (prediction === null) return;
      list(rows, bars(prediction), (bar) => bar.pathology, row, (element, { share, isMost }) => {
        element.classList.toggle("most", isMost);
        style(within(element, ".fill"), "width", `${Math.round(100 * share)}%`);
        say(within(element, ".value"), percent(share));
      });
      const [ofOutline, ofPathology] = [outlineDoubt(prediction.uncertainty), pathologyDoubt(prediction.pathologyUncertainty)];
      say(outline, ofOutline.text);
      attribute(outline, "class", ofOutline.level);
      say(pathology, ofPathology.text);
      attribute(pathology, "class", ofPathology.level);
      const { available, reason: why } = prediction.explanation;
      reveal(explain, available);
      relabel(explain, state.explanationShown ? "Hide what spoke for it" : "Show what spoke for it");
      press(explain, state.explanationShown);
      enable(explain, whyNot(state, "explain") === null, isBusy(state, "toggleExplanation"));
      say(reason, available ? null : `No explanation: ${why ?? "the model offers none"}`);
    },
  };
}
