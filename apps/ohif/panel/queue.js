// @ts-check
// What to look at next and why, and how much is done; the deeds that end the work on an image.

import { attribute, button, enable, fill, h, list, say, section } from "./dom.js";
import { isBusy, whyNot } from "./rules.js";

/** @typedef {import("./part.js").Part} Part */
/** @typedef {import("./part.js").Helpers} Helpers */
/** @typedef {import("../review/types.js").ReviewState} ReviewState */

/** @param {ReviewState["progress"]} progress */
export function progressText({ completed, total }) {
  if (total === 0) return "No images yet";
  return `${completed.toLocaleString("en-GB")} of ${total.toLocaleString("en-GB")} labelled`;
}

/**
 * @param {Helpers} helpers
 * @returns {Part}
 */
export function queuePart({ review }) {
  const select = h("select", { "aria-label": "How the next image is chosen" });
  const described = h("p", { class: "muted", "data-part": "strategy-told" });
  const reason = h("p", { class: "muted", "data-part": "reason" });
  select.addEventListener("change", () => {
    review.setStrategy(select.value);
    select.blur(); // the next letter is a shortcut, not the name of a strategy
  });
  return {
    element: section("queue", "Next image", null, h("div", { class: "row" }, select), described, reason),
    update(state) {
      list(select, state.strategies, ({ name }) => name, ({ name }) => h("option", { value: name }, name.replaceAll("_", " ")));
      if (state.strategy !== null && select.value !== state.strategy) select.value = state.strategy;
      if (select.disabled !== (state.strategies.length === 0)) select.disabled = state.strategies.length === 0;
      say(described, state.strategies.find(({ name }) => name === state.strategy)?.description ?? null);
      say(reason, state.image === null ? null : `Why this image: ${state.reason ?? "you opened it yourself."}`);
    },
  };
}

/**
 * @param {Helpers} helpers
 * @returns {Part} Stays in sight at the bottom.
 */
export function deedsPart(helpers) {
  const { review } = helpers;
  const key = (/** @type {string} */ letter) => h("kbd", { "aria-hidden": "true" }, letter);
  const accept = button("Accept AI", () => review.accept(), { "data-part": "accept" });
  const submit = button("Submit", () => review.submit(), { "data-part": "submit" });
  const next = button("Next", () => review.next(), { "data-part": "next" });
  const skip = button("Skip …", helpers.openSkip, { "data-part": "skip" });
  const draft = button("Save a draft", () => review.saveDraft(), { class: "plain", "data-part": "draft" });
  accept.append(key("A"));
  submit.append(key("S"));
  next.append(key("N"));
  const told = h("span", { "data-part": "progress" });
  const bar = h("progress", { max: 1, "aria-label": "Labelled images" });
  const progress = h("div", { class: "progress" }, h("div", { class: "row" }, told, draft), bar);
  const deeds = /** @type {const} */ ({ accept, submit, next, skip, saveDraft: draft });
  return {
    element: h("footer", {}, h("div", { class: "mains" }, accept, submit, next, skip), progress),
    update(state) {
      for (const [deed, control] of Object.entries(deeds)) {
        const why = whyNot(state, /** @type {keyof typeof deeds} */ (deed));
        enable(control, why === null, isBusy(state, deed) || (deed === "submit" && state.stage === "saving"));
        attribute(control, "title", why === null ? null : `Not now: ${why}`);
      }
      attribute(accept, "class", state.stage === "predicted" ? "primary" : null);
      attribute(submit, "class", ["editing", "earlier"].includes(state.stage) ? "primary" : null);
      attribute(next, "class", ["saved", "skipped", "none"].includes(state.stage) ? "primary" : null);
      const { completed, total } = state.progress;
      say(told, progressText(state.progress));
      fill(bar, total === 0 ? 0 : completed / total);
    },
  };
}
