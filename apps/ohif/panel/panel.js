// @ts-check
// The panel of the review: draws the state of a `Review` and passes on what the reader does.
// OHIF takes it away and puts it back whenever a tab changes, so it keeps nothing that matters.

import { h } from "./dom.js";
import { assessmentPart } from "./assessment.js";
import { conflictDecision, leaveDecision, loginDecision } from "./decisions.js";
import { framesPart } from "./frames.js";
import { headerPart } from "./header.js";
import { keepInside, listen } from "./keyboard.js";
import { lesionsPart } from "./lesions.js";
import { connectionPart, elsewherePart, messagePart, outdatedPart } from "./messages.js";
import { predictionPart } from "./prediction.js";
import { helpQuestion, skipQuestion, stopQuestion } from "./questions.js";
import { deedsPart, queuePart } from "./queue.js";
import { sheet } from "./style.js";
import { toolsPart } from "./tools.js";
import { trainingPart } from "./training.js";

/** @typedef {import("../review/types.js").Review} Review */
/** @typedef {import("./part.js").Helpers} Helpers */

/** Name of the element. */
export const PANEL = "sonoloop-panel";

/** As long as a sentence is read. */
const NEWS_MS = 6000;
const KEY_EVENTS = ["keydown", "keypress", "keyup"];

/** @type {Review | null} */
let registered = null;

/**
 * Makes `<sonoloop-panel>` known to the page; panels show this review from now on.
 *
 * @param {Review} review
 */
export function registerPanel(review) {
  registered = review;
  if (customElements.get(PANEL) === undefined) customElements.define(PANEL, panelClass());
  for (const panel of document.querySelectorAll(PANEL)) {
    /** @type {HTMLElement & {reconnect?: () => void}} */ (panel).reconnect?.();
  }
}

/**
 * @returns {CustomElementConstructor} Made on demand: its base class is a browser's.
 */
function panelClass() {
  const styles = sheet();
  return class SonoloopPanel extends HTMLElement {
    /** @type {(() => void) | null} */
    #leave = null;

    connectedCallback() {
      if (registered === null || this.#leave !== null) return;
      const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [styles];
      this.#leave = draw(root, registered);
    }

    disconnectedCallback() {
      this.#leave?.();
      this.#leave = null;
    }

    reconnect() {
      this.disconnectedCallback();
      this.connectedCallback();
    }
  };
}

/**
 * @param {ShadowRoot} root
 * @param {Review} review
 * @returns {() => void} Ends it.
 */
function draw(root, review) {
  const news = h("p", { class: "news", role: "status", "data-part": "news" });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let old;
  const announce = (/** @type {string} */ text) => {
    news.textContent = "";
    requestAnimationFrame(() => (news.textContent = text)); // the same sentence is news again
    clearTimeout(old);
    old = setTimeout(() => (news.textContent = ""), NEWS_MS);
  };
  const skip = skipQuestion(review);
  const help = helpQuestion();
  const stop = stopQuestion(review);
  /** @type {Helpers} */
  const helpers = { review, announce, openSkip: skip.open, openHelp: help.open, openStopTraining: stop.open };
  const connection = connectionPart(helpers);
  const decisions = [conflictDecision, leaveDecision, loginDecision].map((make) => make(helpers));
  const message = messagePart(helpers);
  const deeds = deedsPart(helpers);
  deeds.element.prepend(message.element, news); // what became of a deed is told where it was done, in sight
  const header = headerPart(helpers);
  header.element.append(connection.element);
  const shown = [
    header,
    outdatedPart(helpers),
    elsewherePart(helpers),
    ...[framesPart, predictionPart, lesionsPart, toolsPart, assessmentPart, queuePart, trainingPart].map((make) => make(helpers)),
    deeds,
  ];
  const parts = [...shown, connection, message];
  const dialogs = [...decisions, skip, help, stop];
  root.replaceChildren(...shown.map((part) => part.element), ...dialogs.map(({ element }) => element));

  let frame = 0;
  const update = () => {
    frame = 0;
    for (const part of [...parts, ...decisions]) part.update(review.state);
  };
  const onChange = () => (frame ||= requestAnimationFrame(update));
  update();
  review.addEventListener("change", onChange);
  for (const name of KEY_EVENTS) root.addEventListener(name, keepInside);
  const isAsking = () => dialogs.some(({ element }) => element.open);
  const deafen = listen(review, { openHelp: help.open, announce, isAsking });
  return () => {
    review.removeEventListener("change", onChange);
    cancelAnimationFrame(frame);
    for (const name of KEY_EVENTS) root.removeEventListener(name, keepInside);
    deafen();
    clearTimeout(old);
    connection.stop();
    for (const made of dialogs) made.close();
  };
}
