// @ts-check
// A modal dialogue on the browser's own `dialog`: it keeps the focus inside and gives it back.

import { attribute, h } from "./dom.js";

/** @typedef {import("./dom.js").Content} Content */

/**
 * @typedef {object} Dialog
 * @property {HTMLDialogElement} element
 * @property {() => void} open
 * @property {() => void} close
 * @property {(wanted: boolean) => void} show Opens or closes it, as a state wants.
 */

/**
 * @param {string} key
 * @param {string} title
 * @param {() => void} cancel What Escape means.
 * @param {...Content} contents
 * @returns {Dialog}
 */
export function dialog(key, title, cancel, ...contents) {
  const heading = h("h3", { id: `dialog-${key}`, tabindex: -1, autofocus: true }, title); // no answer is one slip of the space bar away
  const element = h("dialog", { "aria-labelledby": heading.id, "data-dialog": key }, heading, ...contents);
  const open = () => {
    if (!element.open && element.isConnected) element.showModal();
  };
  const close = () => {
    if (element.open) element.close();
  };
  element.addEventListener("cancel", (event) => {
    event.preventDefault();
    cancel();
  });
  return { element, open, close, show: (wanted) => (wanted ? open() : close()) };
}

/**
 * @param {...HTMLElement} buttons From the one that does least to the one that is meant.
 * @returns {HTMLElement}
 */
export const answers = (...buttons) => h("div", { class: "answers" }, ...buttons);

/**
 * @param {string} name
 * @param {string} legend
 * @param {readonly {value: string, text: string, told: string}[]} choices The first one is chosen.
 * @returns {{element: HTMLElement, value: () => string, reset: () => void}}
 */
export function pick(name, legend, choices) {
  const inputs = choices.map(({ value }, i) => {
    const input = h("input", { type: "radio", name, value });
    input.checked = i === 0;
    return input;
  });
  const labels = choices.map(({ text, told }, i) => h("label", {}, inputs[i], h("span", {}, h("b", {}, text), ` – ${told}`)));
  return {
    element: h("fieldset", { class: "pick" }, h("legend", { class: "unseen" }, legend), ...labels),
    value: () => inputs.find((input) => input.checked)?.value ?? choices[0].value,
    reset: () => inputs.forEach((input, i) => (input.checked = i === 0)),
  };
}

/**
 * @param {HTMLElement} field
 * @param {HTMLElement} problem
 * @param {string | null} text
 */
export function complain(field, problem, text) {
  problem.textContent = text ?? "";
  attribute(problem, "hidden", text === null);
  attribute(field, "aria-invalid", text === null ? null : "true");
}
