// @ts-check
// Trainings: start, stop, how far each is, and which model serves.

import { attribute, button, enable, fill, h, reveal, say } from "./dom.js";
import { drawCurve } from "./curve.js";
import { isBusy, trainingSign, whyNot } from "./rules.js";
import { duration, modelName, moment, percent, TASKS } from "./words.js";

/** @typedef {import("./part.js").Part} Part */
/** @typedef {import("./part.js").Helpers} Helpers */
/** @typedef {import("../review/types.js").Training} Training */
/** @typedef {import("../review/types.js").ServingModel} ServingModel */
/** @typedef {import("../review/types.js").Task} Task */

const FIGURES = { dice: "Dice", auc: "AUC" };

/**
 * @param {Training} training
 * @returns {string | null} How far it is.
 */
export function trainingText(training) {
  const parts = [];
  if (training.state === "waiting") parts.push("waits for the other training");
  if (training.state === "measuring") parts.push("measured beside the serving model");
  if (training.state === "running") {
    parts.push(training.epochs === 0 ? "reads the labels" : `epoch ${training.epoch} of ${training.epochs}`);
    if (typeof training.etaSeconds === "number") parts.push(`${duration(training.etaSeconds)} left`);
  }
  if (typeof training.best === "number") parts.push(`best ${FIGURES[training.figure ?? "dice"]} ${training.best.toFixed(3)}`);
  return parts.length ? parts.join(" · ") : null;
}

/** @param {ServingModel | undefined} model */
export function modelText(model) {
  if (model === undefined) return "no model serves yet";
  return `model ${modelName(model.id)}${model.published === null ? "" : `, since ${moment(model.published)}`}`;
}

/**
 * @param {Helpers} helpers
 * @returns {Part}
 */
export function trainingPart(helpers) {
  const tasks = /** @type {Task[]} */ (Object.keys(TASKS)).map((task) => taskPart(task, helpers));
  const title = h("h3", { id: "title-training" }, "Training");
  return {
    element: h("section", { "data-part": "training", "aria-labelledby": "title-training" }, h("div", { class: "head" }, title), ...tasks.map(({ element }) => element)),
    update: (state) => tasks.forEach((part) => part.update(state)),
  };
}

/**
 * @param {Task} task
 * @param {Helpers} helpers
 * @returns {Part}
 */
function taskPart(task, { review, openStopTraining }) {
  const name = TASKS[task];
  const pill = h("span", { class: "pill" });
  const start = button("Start", () => review.startTraining(task), { "aria-label": `Start training: ${name}` });
  const stop = button("Stop", openStopTraining, { "aria-label": `Stop training: ${name}`, class: "danger" });
  const bar = h("progress", { max: 1, "aria-label": `${name} training` });
  const far = h("p", { class: "muted" });
  const last = h("p", { class: "muted", "data-part": "training-message" });
  const serving = h("p", { class: "muted", "data-part": "serving" });
  const curve = h("figure", { hidden: true });
  const head = h("div", { class: "head" }, h("h4", {}, name), pill, start, stop);
  return {
    element: h("div", { class: "task", "data-task": task }, head, serving, bar, far, last, curve),
    update(state) {
      const training = state.training[task];
      const { isActive, pill: text, kind } = trainingSign(training);
      say(pill, training.state === "idle" ? null : text);
      attribute(pill, "class", `pill ${kind}`);
      reveal(start, !isActive);
      reveal(stop, isActive);
      const why = whyNot(state, "train");
      enable(start, why === null && !isBusy(state, "startTraining"), isBusy(state, "startTraining"));
      enable(stop, why === null && !isBusy(state, "stopTraining"), isBusy(state, "stopTraining"));
      for (const control of [start, stop]) attribute(control, "title", why === null ? null : `Not now: ${why}`);
      reveal(bar, isActive);
      fill(bar, training.share);
      attribute(bar, "aria-valuetext", training.share === null ? "unknown" : percent(training.share));
      say(far, trainingText(training));
      say(last, isActive ? null : training.message || null);
      say(serving, modelText(state.models[task]));
      attribute(serving, "title", state.models[task]?.id);
      drawCurve(curve, training.curve ?? [], FIGURES[training.figure ?? "dice"]);
    },
  };
}
