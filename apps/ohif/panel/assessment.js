// @ts-check
// What the reader answers: pathology and BI-RADS category.

import { button, enable, h, list, reveal, say, section } from "./dom.js";
import { hints, whyNot } from "./rules.js";
import { BIRADS, CATEGORIES, PATHOLOGIES } from "./words.js";

/** @typedef {import("./part.js").Part} Part */
/** @typedef {import("./part.js").Helpers} Helpers */

/**
 * A row of choices, of which one may be taken.
 *
 * @template {string} T
 * @param {string} name
 * @param {string} legend
 * @param {readonly T[]} values
 * @param {(value: T) => unknown} choose
 * @param {{className: string, told?: (value: T) => string}} look
 */
function choice(name, legend, values, choose, look) {
  const inputs = values.map((value) => {
    const input = h("input", { type: "radio", name, value, "aria-label": look.told ? `${value}: ${look.told(value)}` : null });
    input.addEventListener("change", () => choose(value));
    return input;
  });
  const labels = inputs.map((input, i) => h("label", { "data-value": values[i], title: look.told?.(values[i]) }, input, h("span", {}, values[i])));
  return {
    element: h("fieldset", { class: `choice ${look.className}` }, h("legend", {}, legend), ...labels),
    /**
     * @param {T | null} chosen
     * @param {boolean} enabled
     */
    update(chosen, enabled) {
      for (const input of inputs) {
        if (input.checked !== (input.value === chosen)) input.checked = input.value === chosen;
        if (input.disabled === enabled) input.disabled = !enabled;
      }
    },
  };
}

/**
 * @param {Helpers} helpers
 * @returns {Part}
 */
export function assessmentPart({ review }) {
  const pathology = choice("pathology", "Pathology", PATHOLOGIES, (value) => review.setPathology(value), { className: "three" });
  const birads = choice("birads", "BI-RADS", CATEGORIES, (value) => review.setBirads(value), { className: "five", told: (value) => BIRADS[value] });
  const meaning = h("p", { class: "muted", "data-part": "birads-meaning" });
  const clear = async () => {
    await review.setPathology(null);
    await review.setBirads(null);
  };
  const reset = button("Clear", clear, { class: "plain", "data-part": "clear-answer" });
  const odd = h("ul", { class: "hint", "data-part": "hints", "aria-live": "polite" });
  return {
    element: section("assessment", "Your assessment", reset, pathology.element, birads.element, meaning, odd),
    update(state) {
      const { answer } = state;
      const mayEdit = whyNot(state, "edit") === null;
      pathology.update(answer.pathology, mayEdit);
      birads.update(answer.birads, mayEdit);
      say(meaning, answer.birads === null ? "No category is chosen." : `${answer.birads}: ${BIRADS[answer.birads]}`);
      enable(reset, mayEdit && (answer.pathology !== null || answer.birads !== null));
      const found = hints(state);
      list(odd, found, (hint) => hint, (hint) => h("li", {}, hint));
      reveal(odd, found.length > 0);
    },
  };
}
