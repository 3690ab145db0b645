// @ts-check
// Buttons that change something: asked back where it matters, told how it went.

import { at, h, say } from "../dom.js";

/**
 * @typedef {{title: string, text: string, yes: string, field?: string, needed?: boolean}} Question
 */

/** Each may do what those before it may; the server has the table of who may do what. */
const ROLES = ["annotator", "reviewer", "engineer"];

/** @type {import("../dom.js").Me} */
let asking = { accounts: false, name: null, role: null };

/** @param {import("../dom.js").Me} me Who looks at this page; told before anything is drawn. */
export function setAsking(me) {
  asking = me;
}

/**
 * @param {string} role The least that the server asks for.
 * @returns {string} Why who is logged in may not do it; empty when he may.
 */
function lacking(role) {
  if (!asking.accounts || ROLES.indexOf(asking.role ?? "") >= ROLES.indexOf(role)) return "";
  return `This needs the role ${role}; yours is ${asking.role}.`;
}

/** Whose word it is where there are no accounts; else the server takes the name of the account. */
export const WHO = "dashboard";

/**
 * A button that does something at the server.
 * @param {string} text
 * @param {string} key Tells it from every other control, also after it was drawn anew.
 * @param {(answer: string) => Promise<string>} action Given what was entered; says what was done.
 * @param {{needs: string, question?: Question, name?: string, className?: string, off?: boolean}} how
 *   `needs` is the role that may do it.
 * @returns {HTMLElement}
 */
export function button(text, key, action, how) {
  const why = lacking(how.needs);
  const attributes = {
    type: "button",
    "data-key": key,
    "aria-label": how.name,
    class: how.className,
    title: why || null,
    disabled: how.off || why !== "",
  };
  const made = /** @type {HTMLButtonElement} */ (h("button", attributes, text));
  made.addEventListener("click", async () => {
    const answer = how.question ? await confirmed(how.question) : "";
    if (answer !== null) await carriedOut(made, () => action(answer));
  });
  return made;
}

/**
 * @param {HTMLButtonElement} made
 * @param {() => Promise<string>} action
 */
async function carriedOut(made, action) {
  if (made.getAttribute("aria-busy") === "true") return;
  made.setAttribute("aria-busy", "true"); // disabling would drop the focus
  tell("Asking the server", "");
  try {
    tell(await action(), "good");
  } catch (error) {
    tell(error instanceof Error ? error.message : String(error), "bad");
  } finally {
    made.removeAttribute("aria-busy");
  }
}

/**
 * Says how an action went, for eyes and screen readers.
 * @param {string} text
 * @param {"good" | "bad" | ""} kind
 */
export function tell(text, kind) {
  const place = at("told");
  say(place, text && text[0].toUpperCase() + text.slice(1));
  place.className = `told-last ${kind}`;
}

/** Lets the dialog's own controls answer; called once. */
export function prepareDialog() {
  const dialog = at("confirm");
  const field = at("confirm-field");
  const yes = () => field.reportValidity() && dialog.close("yes");
  at("confirm-yes").addEventListener("click", yes);
  at("confirm-no").addEventListener("click", () => dialog.close("no"));
  field.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault(); // else the button that has the focus next is pressed by the same key
    yes();
  });
}

/**
 * Asks back; the escape key is a no.
 * @param {Question} question
 * @returns {Promise<string | null>} What was entered ("" without a field), or null for no.
 */
function confirmed(question) {
  /** @type {HTMLDialogElement} */
  const dialog = at("confirm");
  const field = at("confirm-field");
  say(at("confirm-title"), question.title);
  say(at("confirm-text"), question.text);
  say(at("confirm-yes"), question.yes);
  at("confirm-entry").hidden = question.field === undefined;
  say(at("confirm-label"), question.field ?? "");
  field.value = "";
  field.required = question.needed === true;
  dialog.returnValue = "no";
  dialog.showModal();
  (question.field === undefined ? at("confirm-yes") : field).focus();
  return new Promise((resolve) => {
    const onClose = () => {
      if (dialog.open) return; // late news of the question before
      dialog.removeEventListener("close", onClose);
      resolve(dialog.returnValue === "yes" ? field.value.trim() : null);
    };
    dialog.addEventListener("close", onClose);
  });
}
