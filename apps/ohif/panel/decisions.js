// @ts-check
// Dialogues that the state of the review asks for: conflict, unsaved work, login.

import { button, h, list, say, within } from "./dom.js";
import { answers, dialog } from "./dialog.js";
import { area, assessment, moment, REVISION_STATES, revisionSummary } from "./words.js";

/** @typedef {import("./dialog.js").Dialog} Dialog */
/** @typedef {import("./part.js").Helpers} Helpers */
/** @typedef {import("../review/types.js").ReviewState} ReviewState */
/** @typedef {import("../review/types.js").Revision} Revision */
/** @typedef {import("../review/types.js").Lesion} Lesion */

/** @typedef {Dialog & {update: (state: ReviewState) => void}} Decision */

/**
 * @param {readonly Lesion[]} lesions
 * @returns {string} Such as "2 lesions: 41.0 mm², 3.2 mm²".
 */
export function outlineText(lesions) {
  const marked = lesions.filter((lesion) => lesion.areaPx > 0);
  if (marked.length === 0) return "no outline";
  return `${marked.length === 1 ? "1 lesion" : `${marked.length} lesions`}: ${marked.map(area).join(", ")}`;
}

/**
 * @param {Revision} revision
 * @param {readonly Lesion[] | null} shown Lesions on the screen, where the revision is what is shown.
 * @returns {string[]} Lines that tell it.
 */
export function conflictLines(revision, shown) {
  const lesions = revision.lesions ?? shown;
  const told = lesions === null ? revisionSummary(revision) : assessment(revision.pathology, revision.birads);
  const lines = [told, ...(lesions === null ? [] : [outlineText(lesions)])];
  return [...lines, `revision ${revision.revision}, ${REVISION_STATES[revision.state]}, ${moment(revision.created)}`];
}

/**
 * @param {Helpers} helpers
 * @returns {Decision}
 */
export function conflictDecision({ review, announce }) {
  const side = (/** @type {string} */ title) => h("div", { class: "side" }, h("b", {}, title), h("ul", {}));
  const mine = side("Yours, sent now");
  const theirs = side("The one that stands");
  const who = h("p");
  const keep = button("Keep mine", () => review.resolveConflict("mine"), { class: "primary", "data-answer": "mine" });
  const take = button("Take theirs", () => review.resolveConflict("theirs"), { "data-answer": "theirs" });
  const note = h("p", { class: "muted" }, "Both are kept on the server; this decides which one counts.");
  const refuse = () => announce("Choose which answer counts: keep mine, or take theirs");
  const made = dialog("conflict", "Two answers to one image", refuse, who, h("div", { class: "two" }, mine, theirs), note, answers(take, keep));
  return {
    ...made,
    update({ conflict, lesions }) {
      if (conflict !== null) {
        const { kept, current } = conflict;
        say(who, `This image was saved as ${current.reader} after you opened it, in another window perhaps.`);
        fill(mine, conflictLines(kept, lesions));
        fill(theirs, conflictLines(current, null));
      }
      made.show(conflict !== null);
    },
  };
}

/**
 * @param {HTMLElement} side
 * @param {string[]} lines
 */
const fill = (side, lines) => list(within(side, "ul"), lines, (line) => line, (line) => h("li", {}, line));

/**
 * @param {Helpers} helpers
 * @returns {Decision}
 */
export function leaveDecision({ review }) {
  const stay = () => review.confirmLeave(false);
  const drop = button("Discard changes", () => review.confirmLeave(true), { class: "danger", "data-answer": "discard" });
  const problem = h("p", { class: "problem", role: "alert", "data-part": "leave-problem" });
  const save = async () => {
    await review.saveDraft();
    say(problem, review.state.dirty ? (review.state.message?.text ?? "The draft was not kept.") : null);
    if (!review.state.dirty) await review.confirmLeave(true);
  };
  const keep = button("Save a draft and go on", save, { "data-answer": "draft" });
  const back = button("Stay here", stay, { class: "primary", "data-answer": "stay" });
  const text = h("p", {}, "What you changed on this image has not been submitted.");
  const made = dialog("leave", "Leave this image?", stay, text, problem, answers(drop, keep, back));
  return {
    ...made,
    update({ leaving, conflict }) {
      if (!leaving) say(problem, null);
      made.show(leaving && conflict === null);
    },
  };
}

/**
 * @param {Helpers} helpers
 * @returns {Decision} Can be put aside; the banner with its button stays.
 */
export function loginDecision({ review }) {
  let isAside = false;
  const text = h("p");
  const enter = button("Log in", () => review.login(), { class: "primary", "data-answer": "login" });
  const aside = () => {
    isAside = true;
    made.close();
  };
  const made = dialog("login", "Please log in", aside, text, answers(button("Not now", aside, { "data-answer": "aside" }), enter));
  return {
    ...made,
    update({ server, dirty, elsewhere, conflict, leaving }) {
      if (server !== "login") isAside = false;
      const kept = "The log-in opens in another tab, and your changes stay here: log in there and come back.";
      say(text, `The server wants to know who is there. ${dirty || elsewhere > 0 ? kept : "You come back to this image."}`);
      made.show(server === "login" && !isAside && conflict === null && !leaving);
    },
  };
}
