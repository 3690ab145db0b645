// @ts-check
// Shortcuts. OHIF 3.13 has B (brush), E (eraser), N (interpolation by a model this mode does not offer),
// A (add a segment), Ctrl+Z, Ctrl+Y and Z (zoom) of its own. Ours are taken before the viewer hears
// of them, so that none does two things; Z alone stays the viewer's.

import { whyNot } from "./rules.js";

/** @typedef {import("../review/types.js").Review} Review */
/** @typedef {import("./rules.js").Deed} Deed */
/** @typedef {Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">} Stroke */

/**
 * @typedef {object} Shortcut
 * @property {string} shown
 * @property {string} text
 * @property {Deed | null} deed What has to be possible for it.
 * @property {boolean} [repeats] Whether it goes on while the key is held.
 * @property {(stroke: Stroke) => boolean} fits
 * @property {(review: Review, openHelp: () => void) => unknown} run
 */

/** @param {Stroke} stroke */
const isControlled = ({ ctrlKey, metaKey, altKey }) => (ctrlKey || metaKey) && !altKey;

/** @param {string} letter */
const plain = (letter) => (/** @type {Stroke} */ stroke) =>
  stroke.key.toLowerCase() === letter && !stroke.ctrlKey && !stroke.metaKey && !stroke.altKey && !stroke.shiftKey;

/** @type {readonly Shortcut[]} */
export const KEYS = [
  { shown: "A", text: "Accept the AI's suggestion as it is, and submit it", deed: "accept", fits: plain("a"), run: (review) => review.accept() },
  { shown: "S", text: "Submit your answer", deed: "submit", fits: plain("s"), run: (review) => review.submit() },
  { shown: "N", text: "Next image", deed: "next", fits: plain("n"), run: (review) => review.next() },
  { shown: "B", text: "Brush", deed: "edit", fits: plain("b"), run: (review) => review.setTool("brush") },
  { shown: "E", text: "Eraser", deed: "edit", fits: plain("e"), run: (review) => review.setTool("eraser") },
  {
    shown: "Ctrl+Z",
    text: "Undo",
    deed: "undo",
    repeats: true,
    fits: (stroke) => isControlled(stroke) && !stroke.shiftKey && stroke.key.toLowerCase() === "z",
    run: (review) => review.undo(),
  },
  {
    shown: "Ctrl+Y",
    text: "Redo",
    deed: "redo",
    repeats: true,
    fits: (stroke) => isControlled(stroke) && (stroke.shiftKey ? stroke.key.toLowerCase() === "z" : stroke.key.toLowerCase() === "y"),
    run: (review) => review.redo(),
  },
  {
    shown: "?",
    text: "This list",
    deed: null,
    fits: (stroke) => stroke.key === "?" && !stroke.ctrlKey && !stroke.metaKey && !stroke.altKey,
    run: (_, openHelp) => openHelp(),
  },
];

/**
 * @param {Stroke} stroke
 * @returns {Shortcut | null}
 */
export const shortcutOf = (stroke) => KEYS.find((shortcut) => shortcut.fits(stroke)) ?? null;

const TYPED_INPUTS = ["text", "search", "number", "email", "url", "tel", "password", "date", "time"];
const OVERLAYS = ["dialog", "alertdialog", "menu", "listbox", "combobox", "textbox"];

/**
 * @param {EventTarget | undefined} target
 * @returns {boolean} Whether letters pressed there are typed.
 */
export function takesText(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return TYPED_INPUTS.includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable;
}

/**
 * @param {Event} event
 * @returns {boolean} Whether the key belongs to a field, or to a dialogue or menu of panel or viewer.
 */
function belongsElsewhere(event) {
  const path = event.composedPath();
  if (takesText(path[0])) return true;
  return path.some((at) => at instanceof Element && (at.localName === "dialog" || OVERLAYS.includes(at.getAttribute("role") ?? "")));
}

/**
 * Listens until it is told to stop.
 *
 * @param {Review} review
 * @param {{openHelp: () => void, announce: (text: string) => void, isAsking: () => boolean}} helpers
 * @returns {() => void} Stops.
 */
export function listen(review, { openHelp, announce, isAsking }) {
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    const shortcut = shortcutOf(event);
    if (shortcut === null || event.isComposing || belongsElsewhere(event) || isAsking()) return;
    event.preventDefault(); // the viewer listens to the key press that would follow
    event.stopImmediatePropagation();
    if (event.repeat && !shortcut.repeats) return;
    const why = shortcut.deed === null ? null : whyNot(review.state, shortcut.deed);
    if (why === null) shortcut.run(review, openHelp);
    else announce(`${shortcut.text}: not now, ${why}`);
  };
  window.addEventListener("keydown", onKey, { capture: true });
  return () => window.removeEventListener("keydown", onKey, { capture: true });
}

const CONTROL_KEYS = ["Enter", " ", "Escape", "Tab", "Home", "End", "PageUp", "PageDown", "Backspace", "Delete", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"];

/**
 * Keys that a control of the panel uses shall not also scroll the viewer's images or reset its view.
 *
 * @param {Event} event
 */
export function keepInside(event) {
  if (!(event instanceof KeyboardEvent)) return;
  const path = event.composedPath();
  const isModal = path.some((at) => at instanceof HTMLDialogElement);
  if (isModal || takesText(path[0]) || CONTROL_KEYS.includes(event.key)) event.stopPropagation();
}
