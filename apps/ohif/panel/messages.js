// @ts-check
// What happened, and what is out of order: always in sight, told to screen readers.

import { attribute, button, h, reveal, say } from "./dom.js";
import { icon } from "./icons.js";
import { outdated } from "./rules.js";
import { retryText } from "./words.js";

/** @typedef {import("./part.js").Part} Part */
/** @typedef {import("./part.js").Helpers} Helpers */

const SECOND_MS = 1000;

/**
 * The message of the session, and under it what was announced by the panel alone.
 *
 * @param {Helpers} helpers
 * @returns {Part}
 */
export function messagePart(helpers) {
  const text = h("p", { "data-part": "message", "aria-live": "polite" });
  const close = button("", () => helpers.review.dismissMessage(), { class: "plain icon", "aria-label": "Close this message" }, icon("close"));
  const element = h("div", { class: "banner", hidden: true }, h("div", { class: "row" }, text, close));
  return {
    element,
    update({ message }) {
      attribute(element, "class", `banner ${message?.kind ?? ""}`);
      attribute(text, "role", message?.kind === "error" ? "alert" : "status");
      reveal(element, message !== null);
      const told = message?.text ?? "";
      if (text.textContent !== told) text.textContent = told;
    },
  };
}

/**
 * The server does not answer: what that means for the work, when it is asked again.
 *
 * @param {Helpers} helpers
 * @returns {Part & {stop: () => void}}
 */
export function connectionPart(helpers) {
  const { review } = helpers;
  const sentence = h("p", { role: "alert" });
  const retry = h("span", { class: "muted", "data-part": "retry", "aria-hidden": "true" });
  const now = button("Try now", () => review.refresh(), {});
  const enter = button("Log in", () => review.login(), { class: "primary" });
  const element = h("div", { class: "banner error", hidden: true, "data-part": "connection" }, sentence, h("div", { class: "row" }, retry, now, enter));
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let clock;
  const count = () => say(retry, retryText(review.state.retryAt, Date.now()));
  const stop = () => {
    clearInterval(clock);
    clock = undefined;
  };
  return {
    element,
    stop,
    update(state) {
      const { server, dirty } = state;
      const isDown = server === "down";
      reveal(element, isDown || server === "login");
      reveal(retry, isDown);
      reveal(now, isDown);
      reveal(enter, server === "login");
      const kept = dirty ? " Your changes stay in this window until they can be saved." : "";
      const told = isDown ? `The server does not answer.${kept}` : server === "login" ? `Nobody is logged in.${kept}` : "";
      if (sentence.textContent !== told) sentence.textContent = told;
      if (!isDown) return stop();
      count();
      clock ??= setInterval(count, SECOND_MS);
    },
  };
}

/**
 * @param {Helpers} helpers
 * @returns {Part} Images that are not open and hold changes.
 */
export function elsewherePart({ review }) {
  const sentence = h("p", { role: "status" });
  const open = button("Open it", () => review.openUnsaved());
  const element = h("div", { class: "banner warn", hidden: true, "data-part": "elsewhere" }, h("div", { class: "row" }, sentence, open));
  return {
    element,
    update({ elsewhere }) {
      reveal(element, elsewhere > 0);
      const told = elsewhere === 1 ? "Another image holds changes that are not submitted." : `${elsewhere} other images hold changes that are not submitted.`;
      if (sentence.textContent !== told) sentence.textContent = told;
    },
  };
}

/**
 * @param {Helpers} helpers
 * @returns {Part} Says that a newer model answers than the one that made the suggestion.
 */
export function outdatedPart(helpers) {
  const sentence = h("p", { role: "status" });
  const ask = button("Ask it", () => helpers.review.predict());
  const element = h("div", { class: "banner", hidden: true, "data-part": "outdated" }, h("div", { class: "row" }, sentence, ask));
  return {
    element,
    update(state) {
      const told = outdated(state);
      reveal(element, told !== null);
      if (sentence.textContent !== (told ?? "")) sentence.textContent = told ?? "";
    },
  };
}
