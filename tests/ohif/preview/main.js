// @ts-check
// `?state=NAME&width=PIXELS`: the panel over a fake review, in a page as large as the viewer's.

import { PANEL, registerPanel } from "../../../apps/ohif/panel/panel.js";
import { FakeReview } from "./fake_review.js";
import { STATES } from "./states.js";

const query = new URLSearchParams(location.search);
const name = query.get("state") ?? "predicted";
const state = STATES[name];
if (state === undefined) throw new Error(`no state ${name}; known: ${Object.keys(STATES).join(", ")}`);
const review = new FakeReview(state.server === "down" ? { ...state, retryAt: Date.now() + 8000 } : state);
/** @type {string[]} Keys that reached the page, as the viewer would hear them. */
const heard = [];
for (const type of ["keydown", "keypress"]) {
  document.addEventListener(type, (event) => heard.push(`${type} ${/** @type {KeyboardEvent} */ (event).key}`));
}
Object.assign(window, { review, heard, STATES, registerPanel });

const side = /** @type {HTMLElement} */ (document.getElementById("side"));
side.style.width = `${query.get("width") ?? 282}px`;
const picker = /** @type {HTMLSelectElement} */ (document.getElementById("states"));
for (const known of Object.keys(STATES)) picker.append(new Option(known, known, known === name, known === name));
picker.addEventListener("change", () => {
  query.set("state", picker.value);
  location.search = query.toString();
});
registerPanel(review);
side.prepend(document.createElement(PANEL));
