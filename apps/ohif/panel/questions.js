// @ts-check
// Dialogues that the reader asks for: skip with a reason, stop trainings, list of the keys.

import { button, h, relabel } from "./dom.js";
import { answers, complain, dialog, pick } from "./dialog.js";
import { KEYS } from "./keyboard.js";
import { whyNot } from "./rules.js";

/** @typedef {import("./dialog.js").Dialog} Dialog */
/** @typedef {import("../review/types.js").Review} Review */
/** @typedef {import("../review/types.js").SkipKind} SkipKind */

const MAX_REASON = 2000; // characters the server takes

const REASONS = ["Poor image quality", "Lesion is cut off", "Doppler or elastography", "Not breast tissue", "Unsure: another reader should look"];

/** @type {readonly {value: SkipKind, text: string, told: string}[]} */
const KINDS = [
  { value: "skip", text: "Skip", told: "the image goes to other readers" },
  { value: "not_assessable", text: "Not assessable", told: "that is my answer, and it counts" },
];

/**
 * @param {Review} review
 * @returns {Dialog}
 */
export function skipQuestion(review) {
  const kind = pick("skip-kind", "What it means", KINDS);
  const reason = h("textarea", { id: "skip-reason", maxlength: MAX_REASON, "aria-describedby": "skip-problem", required: true });
  const problem = h("p", { class: "problem", id: "skip-problem", role: "alert", hidden: true });
  const chips = REASONS.map((text) =>
    button(text, () => {
      reason.value = text;
      complain(reason, problem, null);
      reason.focus();
    }),
  );
  const go = button("Skip this image", send, { class: "primary", "data-answer": "skip" });
  const name = () => relabel(go, kind.value() === "skip" ? "Skip this image" : "Answer: not assessable");
  kind.element.addEventListener("change", name);
  const form = h("div", { class: "stack" }, kind.element, h("label", { for: "skip-reason" }, "Why"), h("div", { class: "row chips" }, ...chips), reason, problem);
  const made = dialog("skip", "Skip this image", () => made.close(), form, answers(button("Cancel", () => made.close()), go));

  async function send() {
    const text = reason.value.trim();
    if (text === "") {
      complain(reason, problem, "Say why: others read it.");
      return reason.focus();
    }
    const refused = whyNot(review.state, "skip");
    if (refused !== null) return complain(reason, problem, `Not now: ${refused}.`);
    made.close();
    await review.skip(/** @type {SkipKind} */ (kind.value()), text);
  }

  const open = () => {
    kind.reset();
    name();
    reason.value = "";
    complain(reason, problem, null);
    made.open();
  };
  return { ...made, open };
}

/**
 * @param {Review} review
 * @returns {Dialog}
 */
export function stopQuestion(review) {
  const stop = () => {
    made.close();
    review.stopTraining();
  };
  const text = h("p", {}, "Every training that runs or waits ends. What it has learned so far is discarded; the serving models stay.");
  const buttons = answers(button("Go on training", () => made.close()), button("Stop", stop, { class: "danger", "data-answer": "stop" }));
  const made = dialog("stop", "Stop the training?", () => made.close(), text, buttons);
  return made;
}

/** @returns {Dialog} */
export function helpQuestion() {
  const rows = KEYS.flatMap(({ shown, text }) => [h("dt", {}, ...keyCaps(shown)), h("dd", {}, text)]);
  const note = h("p", { class: "muted" }, "They work while this panel is open and no text is typed; all other keys are the viewer's.");
  const made = dialog("help", "Keyboard", () => made.close(), h("dl", { class: "keys" }, ...rows), note, answers(button("Close", () => made.close(), { class: "primary" })));
  return made;
}

/** @param {string} shown Such as "Ctrl+Z". */
const keyCaps = (shown) => shown.split("+").flatMap((cap, i) => [i ? " + " : null, h("kbd", {}, cap)]);
