// @ts-check
// Trainings: how far each is, its curves, start and stop.

import { at, duration, h, moment, nothing, number, send, show } from "../../dom.js";
import { button } from "../actions.js";
import { lineChart } from "../chart.js";

export const TASKS = { segmentation: "Outline", classification: "Pathology" };
export const FIGURES = { dice: "Dice", auc: "AUC" };
const ACTIVE = ["SUBMITTED", "RUNNING"];

/** @param {Record<string, any>} trainings By task, of the event `trainings`. */
export function showTrainings(trainings) {
  for (const [task, title] of Object.entries(TASKS)) {
    show(at(`training-${task}`), ...block(task, title, trainings[task]));
  }
}

/**
 * @param {string} task
 * @param {string} title
 * @param {any} training
 */
function block(task, title, training) {
  const active = training && ACTIVE.includes(training.status);
  const state = training ? training.status.toLowerCase() : "never trained";
  const head = h(
    "div",
    { class: "head" },
    h("h3", {}, title),
    h("span", { class: `pill ${state}` }, state),
    active ? stopButton(task, title) : startButton(task, title),
  );
  if (!training) return [head, nothing("No training yet. Start begins one, on the labels of at least two patients.")];
  return [head, h("p", { class: "muted" }, told(training)), ...(active ? [bar(training, title)] : []), curves(task, training)];
}

/** @param {any} training */
function told(training) {
  const { status, epoch, total_epochs: epochs, eta_seconds: eta, best_metric: best } = training;
  if (status === "SUBMITTED") return "Waits for the other training to end.";
  if (epoch === null && status === "RUNNING") return "Reads the labels.";
  const figure = FIGURES[/** @type {keyof typeof FIGURES} */ (training.figure)] ?? "figure";
  const parts = [`epoch ${epoch ?? 0} of ${epochs ?? "?"}`, `best ${figure} ${number(best)}`];
  if (status === "RUNNING") parts.push(eta === null ? "time left unknown" : `${duration(eta)} left`);
  else parts.push(`ended ${moment(training.ended_at)}`);
  if (status === "ERROR") parts.push(training.last_line);
  return parts.join(" · ");
}

/**
 * @param {any} training
 * @param {string} title
 */
function bar(training, title) {
  const max = Math.max(1, training.total_epochs ?? 1);
  const last = training.curve.loss.at(-1);
  return h("progress", { max, value: last ? last[0] : (training.epoch ?? 0), "aria-label": `${title} training` });
}

/**
 * @param {string} task
 * @param {any} training
 */
function curves(task, training) {
  const figure = FIGURES[/** @type {keyof typeof FIGURES} */ (training.figure)] ?? "figure";
  const { loss, metric } = training.curve;
  if (!loss.length && !metric.length) {
    const active = ACTIVE.includes(training.status);
    return nothing(active ? "The curve begins with the first step." : "This training left no curve.");
  }
  return h(
    "div",
    { class: "pair" },
    curve(`${task} loss`, "Loss", loss, "loss"),
    metric.length ? curve(`${task} ${figure}`, figure, metric, "figure") : nothing(`${figure} is measured after the first epoch.`),
  );
}

/**
 * @param {string} key
 * @param {string} title
 * @param {[number, number][]} points
 * @param {string} className
 */
function curve(key, title, points, className) {
  const told = points.map(([x, y]) => ({ x, y, told: `epoch ${Number(x.toFixed(2))}: ${number(y)}` }));
  const series = [{ name: title, className, points: told }];
  return lineChart({ key, title, xLabel: "epoch", yLabel: "", series, width: 230, height: 180 });
}

/**
 * @param {string} task
 * @param {string} title
 */
function startButton(task, title) {
  const start = async () => {
    const job = await send(`train/${task}`, "POST", {});
    return job.status === "SUBMITTED" ? `${title}: training waits for its turn` : `${title}: training begins`;
  };
  return button("Start", `start ${task}`, start, { needs: "engineer", name: `Start training: ${title}` });
}

/**
 * @param {string} task
 * @param {string} title
 */
function stopButton(task, title) {
  const stop = async () => {
    await send("train/", "DELETE");
    return "every training was stopped; what serves stays";
  };
  const question = {
    title: "Stop the training?",
    text: "Every training that runs or waits ends. What it has learned so far is discarded; the serving model stays.",
    yes: "Stop",
  };
  return button("Stop", `stop ${task}`, stop, { needs: "engineer", question, name: `Stop training: ${title}`, className: "warn" });
}

