// @ts-check
// Who works here, with which server and which models.

import { attribute, button, h, reveal, say } from "./dom.js";
import { icon } from "./icons.js";
import { modelName, serverSign, stageText, TASKS } from "./words.js";

/** @typedef {import("./part.js").Part} Part */
/** @typedef {import("./part.js").Helpers} Helpers */
/** @typedef {import("../review/types.js").ReviewState} ReviewState */

/**
 * @param {ReviewState} state
 * @returns {{text: string, title: string}[]} The serving models, as short as a narrow panel needs.
 */
export function servingModels(state) {
  return /** @type {(keyof typeof TASKS)[]} */ (Object.keys(TASKS)).flatMap((task) => {
    const model = state.models[task];
    return model ? [{ text: modelName(model.id), title: `${TASKS[task]}: ${model.id}` }] : [];
  });
}

/**
 * @param {Helpers} helpers
 * @returns {Part}
 */
export function headerPart(helpers) {
  const { review } = helpers;
  const sign = h("span", { class: "pill", "data-part": "server" });
  const stage = h("p", { class: "stage", role: "status", "data-part": "stage" });
  const name = h("input", { type: "text", "aria-label": "Reader: the name your answers are kept under", maxlength: 128 });
  const account = h("b");
  const reader = h("p", { class: "facts", "data-part": "reader" }, h("span", {}, "Reader"), account);
  const field = h("label", { class: "who" }, h("span", { class: "muted" }, "Reader"), name);
  const models = h("p", { class: "facts wide-only low-hidden", "data-part": "models" });
  name.addEventListener("change", () => {
    if (name.value.trim()) review.setReader(name.value.trim());
    else name.value = review.state.reader;
  });
  const keys = button("", helpers.openHelp, { class: "plain icon", "aria-label": "Keyboard shortcuts", title: "Keyboard shortcuts (?)" }, icon("keys"));
  const again = button("", () => review.refresh(), { class: "plain icon", "aria-label": "Ask the server again", title: "Ask the server again" }, icon("refresh"));
  const title = h("div", { class: "title" }, h("h2", {}, "Sonoloop"), sign, again, keys);
  return {
    element: h("header", {}, title, stage, reader, field, models),
    update(state) {
      const { kind, text } = serverSign(state);
      attribute(sign, "class", `pill ${kind}`);
      say(sign, text);
      say(stage, stageText(state));
      say(account, state.reader || "–");
      reveal(reader, !state.readerMayChange);
      reveal(field, state.readerMayChange);
      if (!name.matches(":focus") && name.value !== state.reader) name.value = state.reader;
      const serving = servingModels(state);
      say(models, serving.length ? `Models ${serving.map((model) => model.text).join(", ")}` : null);
      attribute(models, "title", serving.map((model) => model.title).join("\n"));
    },
  };
}
