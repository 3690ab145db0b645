// @ts-check
// The lesions of the open image: which one the tools paint, how large each is.

import { attribute, button, enable, h, list, press, reveal, say, section, style, within } from "./dom.js";
import { icon } from "./icons.js";
import { whyNot } from "./rules.js";
import { area } from "./words.js";

/** @typedef {import("./part.js").Part} Part */
/** @typedef {import("./part.js").Helpers} Helpers */
/** @typedef {import("../review/types.js").Lesion} Lesion */

/**
 * @param {Helpers} helpers
 * @returns {Part}
 */
export function lesionsPart({ review }) {
  const rows = h("ul", { class: "lesions", "aria-label": "Lesions" });
  const none = h("p", { class: "muted" });
  const add = button("Add lesion", () => review.addLesion(), { "data-part": "add-lesion" }, icon("add"));
  const noLesion = button("No lesion", () => review.noLesion(!review.state.answer.noLesion), { "data-part": "no-lesion" });
  /** @param {Lesion} lesion */
  const make = ({ segment }) => {
    const swatch = h("span", { class: "swatch", "aria-hidden": "true" });
    const pick = button(`Lesion ${segment}`, () => review.selectLesion(segment), { class: "pick" }, swatch);
    pick.append(h("span", { class: "area" }));
    const label = { class: "icon", "aria-label": `Remove lesion ${segment}`, title: `Remove lesion ${segment}` };
    return h("li", {}, pick, button("", () => review.removeLesion(segment), label, icon("remove")));
  };
  return {
    element: section("lesions", "Lesions", null, rows, none, h("div", { class: "row" }, add, noLesion)),
    update(state) {
      const { lesions, answer } = state;
      const mayEdit = whyNot(state, "edit") === null;
      list(rows, lesions, (lesion) => lesion.segment, make, (element, lesion) => {
        const pick = within(element, ".pick");
        press(pick, lesion.segment === state.activeLesion);
        style(within(element, ".swatch"), "background-color", lesion.colour ?? "");
        say(within(element, ".area"), area(lesion));
        for (const control of element.querySelectorAll("button")) enable(control, mayEdit);
      });
      reveal(rows, lesions.length > 0);
      say(none, lesions.length > 0 ? null : answer.noLesion ? "Your answer: there is no lesion." : "Nothing is outlined.");
      enable(add, mayEdit);
      enable(noLesion, mayEdit);
      press(noLesion, answer.noLesion);
      attribute(noLesion, "title", answer.noLesion ? "Take it back: the outline returns" : "Empties the outline and answers normal");
    },
  };
}
