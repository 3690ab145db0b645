// @ts-check
// Versions of the models: which serves, what the gate said of each, and the way back.

import { at, h, moment, nothing, number, send, show, table } from "../../dom.js";
import { WHO, button } from "../actions.js";
import { FIGURES, TASKS } from "./training.js";

const SHOWN = 6;

/** @param {Record<string, any>} models `models` of the snapshot. */
export function showModels(models) {
  const blocks = Object.entries(TASKS).map(([task, title]) => block(task, title, models[task]));
  show(at("models-list"), ...blocks.flat());
}

/**
 * @param {string} task
 * @param {string} title
 * @param {any} model
 */
function block(task, title, model) {
  const versions = model?.versions ?? [];
  if (!versions.length) {
    return [h("h3", {}, title), nothing("No version yet: the first training here publishes one.")];
  }
  const recent = versions.slice(0, SHOWN);
  const older = versions.slice(SHOWN);
  return [
    h("div", { class: "head" }, h("h3", {}, title), pinState(model), ...tools(task, title, model)),
    versionTable(`${title}: versions`, recent, task, Boolean(model.pinned)),
    older.length
      ? h(
          "details",
          { "data-key": `older ${task}` },
          h("summary", {}, `${older.length} older`),
          versionTable(`${title}: older versions`, older, task, Boolean(model.pinned)),
        )
      : null,
  ];
}

/**
 * @param {string} caption
 * @param {any[]} versions
 * @param {string} task
 * @param {boolean} pinned
 */
function versionTable(caption, versions, task, pinned) {
  const figure = FIGURES[/** @type {keyof typeof FIGURES} */ (versions[0].figure)];
  const heads = /** @type {(string | [string, string])[]} */ ([
    "Version",
    "Here since",
    ["Labels", "n"],
    [figure, "n"],
    ["Gate", "wide"],
    "Action",
  ]);
  const rows = versions.map((version) => [
    h("code", { title: `${version.model_id}, ${version.architecture}` }, short(version.model_id)),
    moment(version.created_at),
    version.labels ?? "–",
    number(version.validation),
    gateTold(version),
    version.serving
      ? h("span", { class: "pill serving" }, "serving")
      : publication(version, task, pinned),
  ]);
  return table(caption, heads, rows);
}

/** @param {any} version */
function gateTold(version) {
  const { gate } = version;
  if (!gate) return h("span", { class: "muted" }, "not measured");
  const figures = gate.difference === null ? "" : ` ${signed(gate.difference)}${interval(gate.ci95)}`;
  return h(
    "details",
    { "data-key": `gate ${version.model_id}` },
    h("summary", {}, h("span", { class: `pill ${gate.verdict}` }, gate.verdict), figures),
    h("p", {}, gate.reason),
  );
}

/** @param {number} value */
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;

/** @param {[number, number] | null} ci95 */
const interval = (ci95) => (ci95 ? ` [${signed(ci95[0])}, ${signed(ci95[1])}]` : "");

/** @param {string} modelId Task and time are told beside; the hash at the end tells versions apart. */
const short = (modelId) => (modelId.length > 12 ? `…${modelId.slice(-8)}` : modelId);

/** @param {any} model */
function pinState(model) {
  return model.pinned ? h("span", { class: "pill pinned", title: model.pinned.reason }, "pinned") : null;
}

/**
 * @param {string} task
 * @param {string} title
 * @param {any} model
 */
function tools(task, title, model) {
  return [rollback(task, title, model), pin(task, title, model)];
}

/**
 * @param {string} task
 * @param {string} title
 * @param {any} model
 */
function rollback(task, title, model) {
  const back = async (/** @type {string} */ reason) => {
    const now = await send(`sonoloop/models/${task}/rollback`, "POST", { actor: WHO, reason });
    return `${title}: ${short(now.model_id)} serves again`;
  };
  const question = {
    title: `Roll back: ${title}?`,
    text: `${model.way_back} serves again at once. Requests that are being answered end with the present version.`,
    yes: "Roll back",
    field: "Why",
  };
  const off = !model.way_back || Boolean(model.pinned);
  const how = { needs: "engineer", question, name: `Roll back: ${title}`, off };
  return button("Roll back", `rollback ${task}`, back, how);
}

/**
 * @param {string} task
 * @param {string} title
 * @param {any} model
 */
function pin(task, title, model) {
  if (model.pinned) {
    const loosen = async () => {
      await send(`sonoloop/models/${task}/pin`, "DELETE");
      return `${title}: the gate decides again`;
    };
    return button("Unpin", `pin ${task}`, loosen, { needs: "engineer", name: `Unpin: ${title}` });
  }
  const hold = async (/** @type {string} */ reason) => {
    await send(`sonoloop/models/${task}/pin`, "PUT", { actor: WHO, reason });
    return `${title}: the serving version stays until it is unpinned`;
  };
  const question = {
    title: `Pin: ${title}?`,
    text: "The serving version stays, whatever later trainings give, until it is unpinned.",
    yes: "Pin",
    field: "Why",
  };
  return button("Pin", `pin ${task}`, hold, { needs: "engineer", question, name: `Pin: ${title}` });
}

/**
 * @param {any} version
 * @param {string} task
 * @param {boolean} pinned
 */
function publication(version, task, pinned) {
  const publish = async (/** @type {string} */ reason) => {
    await send(`sonoloop/models/${task}/publish`, "POST", { model_id: version.model_id, actor: WHO, reason });
    return `${short(version.model_id)} serves now`;
  };
  const question = {
    title: "Publish this version?",
    text: `${version.model_id} becomes the serving version at once. Whoever publishes by hand answers for it.`,
    yes: "Publish",
    field: "Why",
    needed: true,
  };
  const name = `Publish ${version.model_id}`;
  const off = pinned || (version.gate?.verdict === "rejected" && !version.served);
  return button("Publish", `publish ${version.model_id}`, publish, { needs: "engineer", question, name, off });
}
