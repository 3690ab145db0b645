// @ts-check
// A cine: which of its frames were looked at or answered, and the way to them.

import { attribute, button, h, list, reveal, say, section, within } from "./dom.js";
import { icon } from "./icons.js";
import { cine } from "./rules.js";

/** @typedef {import("./part.js").Part} Part */
/** @typedef {import("./part.js").Helpers} Helpers */

/**
 * @param {Helpers} helpers
 * @returns {Part}
 */
export function framesPart({ review }) {
  const told = h("p", { class: "muted" });
  const marks = h("ul", { class: "frames", "aria-label": "Frames looked at" });
  const where = h("span", { class: "pill", "data-part": "frame" });
  const element = section("frames", "Cine", where, told, marks);
  return {
    element,
    update(state) {
      const shown = cine(state);
      reveal(element, shown !== null);
      if (shown === null) return;
      say(where, shown.title);
      say(told, shown.told);
      const make = (/** @type {{frame: number}} */ { frame }) =>
        h("li", {}, button(String(frame + 1), () => review.openFrame(frame), {}));
      list(marks, shown.marks, (mark) => mark.frame, make, (row, { frame, isOpen, isSubmitted }) => {
        const control = within(row, "button");
        attribute(control, "aria-current", isOpen ? "true" : null);
        attribute(control, "aria-label", `Frame ${frame + 1}, ${isSubmitted ? "submitted" : "looked at"}`);
        const tick = control.querySelector("svg");
        if (isSubmitted && tick === null) control.append(icon("check"));
        if (!isSubmitted) tick?.remove();
      });
      reveal(marks, shown.marks.length > 0);
    },
  };
}
