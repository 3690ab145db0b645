// @ts-check
// What does not depend on the open image: the server, strategies, counts, models, trainings, and who is there.

import { LoginNeededError, NotFoundError } from "../server/errors.js";

/** @typedef {import("./types").Task} Task */
/** @typedef {import("./types").Training} Training */
/** @typedef {import("./types").ReviewState} ReviewState */
/** @typedef {import("./review.js").Review} Review */
/** @typedef {Pick<ReviewState, "reader" | "readerMayChange" | "mayTrain">} Me */

/** @type {readonly Task[]} */
export const TASKS = Object.freeze(["segmentation", "classification"]);
const PREFERRED = "auto";
/** Name of everybody who does not tell his. */
export const NAMELESS = "annotator";
const READER_KEY = "sonoloop.reader";
const STRATEGY_KEY = "sonoloop.strategy";

/** @type {Training} */
export const IDLE = Object.freeze({ state: "idle", epoch: 0, epochs: 0, share: null, message: "" });

/** @type {Record<string, Training["state"]>} */
const STATES = { SUBMITTED: "waiting", RUNNING: "running", DONE: "done", ERROR: "failed", STOPPED: "stopped" };

export class Board {
  /** @param {Review} review */
  constructor(review) {
    this.review = review;
    /** @type {string | null} Who is there; null while nobody was yet. */
    this.known = null;
  }

  /** Asks anew who is there and what there is. */
  async refresh() {
    const { api } = this.review;
    try {
      const [me, info] = await Promise.all([this.#me(), api.info()]);
      this.review.patch({ server: "ready", ...this.#ofInfo(info) });
      this.#isThere(me);
    } catch (error) {
      this.review.fail(error);
    }
  }

  /** @returns {Promise<Me>} */
  async #me() {
    const me = await this.review.api.me().catch((error) => {
      if (error instanceof NotFoundError) return { accounts: false, name: null }; // a server without accounts
      throw error;
    });
    if (!me.accounts) return { reader: this.known ?? this.review.storage.getItem(READER_KEY) ?? NAMELESS, readerMayChange: true, mayTrain: true };
    if (!me.name) throw new LoginNeededError("nobody is logged in", { status: 401 });
    return { reader: me.name, readerMayChange: false, mayTrain: me.role === "engineer" };
  }

  /** @param {Me} me */
  #isThere(me) {
    const before = this.known;
    this.known = me.reader;
    this.review.patch(me);
    if (before === null || before === me.reader) return;
    const { desk } = this.review;
    const left = desk.unsaved.some((work) => work.author === before);
    desk.renew(null);
    const told = `${me.reader} is logged in now.`;
    if (left) this.review.say("error", `${told} What ${before} changed and did not submit stays in this window: log in as ${before} to submit it.`);
    else this.review.say("info", told);
  }

  /**
   * Asks, where there are accounts, who is logged in: another window may have changed it.
   * @returns {Promise<boolean>} Whether it is still the one the reader sees.
   */
  async isStillThere() {
    if (this.review.state.readerMayChange) return true;
    const before = this.known;
    this.#isThere(await this.#me());
    return this.known === before;
  }

  /**
   * @param {any} info
   * @returns {Partial<ReviewState>}
   */
  #ofInfo(info) {
    const strategies = Object.entries(info.strategies ?? {}).map(([name, told]) =>
      Object.freeze({ name, description: /** @type {any} */ (told).description ?? "" }));
    const names = strategies.map(({ name }) => name);
    const kept = this.review.state.strategy ?? this.review.storage.getItem(STRATEGY_KEY) ?? PREFERRED;
    const { total = 0, completed = 0 } = info.datastore ?? {};
    return {
      strategies: Object.freeze(strategies),
      strategy: names.includes(kept) ? kept : names.includes(PREFERRED) ? PREFERRED : (names[0] ?? null),
      progress: Object.freeze({ completed, total }),
      models: this.#models(info.sonoloop?.model_ids ?? {}),
    };
  }

  /**
   * @param {Record<string, string>} ids
   * @param {any} [told] `models` of the board.
   */
  #models(ids, told) {
    const known = this.review.state.models;
    const serving = TASKS.filter((task) => ids[task]).map((task) => {
      const id = /** @type {string} */ (ids[task]);
      const version = told?.[task]?.versions?.find((/** @type {any} */ one) => one.model_id === id);
      const before = known[task]?.id === id ? (known[task]?.published ?? null) : null;
      return [task, Object.freeze({ id, published: version?.created_at ?? before })];
    });
    return Object.freeze(Object.fromEntries(serving));
  }

  /** @param {any} board What the server's board tells. */
  heardBoard(board) {
    const progress = board.labelling?.progress;
    if (progress) this.review.patch({ progress: Object.freeze({ completed: progress.labelled, total: progress.total }) });
    const told = board.models;
    if (!told || told.problem) return;
    const ids = Object.fromEntries(TASKS.map((task) => [task, told[task]?.versions?.find((/** @type {any} */ one) => one.serving)?.model_id]));
    this.review.patch({ models: this.#models(ids, told) });
  }

  /** @param {any} told Trainings as the server tells them. */
  heardTrainings({ trainings }) {
    const training = Object.fromEntries(TASKS.map((task) => [task, trainingOf(trainings?.[task])]));
    this.review.patch({ training: Object.freeze(/** @type {any} */ (training)) });
  }

  /**
   * @param {boolean} answers Whether the stream of events does.
   * @param {number} [wait] Until it is opened again, in milliseconds.
   */
  async heardState(answers, wait = 0) {
    const was = this.review.state.server;
    const retryAt = answers ? null : this.review.now() + wait;
    if (retryAt !== (this.review.state.retryAt ?? null)) this.review.patch({ retryAt });
    if (answers && was === "ready") return;
    const told = this.review.state.message;
    await this.refresh(); // a stream ends by itself every ten minutes, and does not tell why it is refused
    if (was === "ready" || this.review.state.server !== "ready") return;
    if (was !== "connecting" && this.review.state.message === told) this.#back();
    await this.review.desk.open(this.review.viewer.opened());
  }

  /** Takes back what was said of a server that does not answer, or of nobody being logged in. */
  #back() {
    this.review.patch({ message: null });
    if (this.review.state.dirty) this.review.say("info", "The server answers again. What you have changed on this image is not submitted yet.");
  }

  /** @param {string} name */
  setStrategy(name) {
    if (!this.review.state.strategies.some((one) => one.name === name)) return;
    this.review.storage.setItem(STRATEGY_KEY, name);
    this.review.patch({ strategy: name });
  }

  /** @param {string} name */
  setReader(name) {
    if (!this.review.state.readerMayChange) return;
    const reader = name.trim() || NAMELESS;
    this.review.storage.setItem(READER_KEY, reader);
    if (reader === this.review.state.reader) return;
    this.known = reader;
    this.review.patch({ reader });
    this.review.desk.renew(reader);
  }

  /** @param {Task} task */
  async startTraining(task) {
    const job = await this.review.api.train(task);
    const training = { ...this.review.state.training, [task]: trainingOf({ ...job.progress, status: job.status, last_line: "" }) };
    this.review.patch({ training: Object.freeze(training) });
  }

  async stopTraining() {
    await this.review.api.stopTraining();
  }
}

/**
 * @param {any} told Of one training.
 * @returns {Partial<Training>} Its validation figures, as far as there are any.
 */
function measuredIn({ figure, best_metric: best, curve, eta_seconds: etaSeconds }) {
  if (!figure) return {};
  return { figure, best: best ?? null, curve: curve?.metric ?? [], etaSeconds: etaSeconds ?? null };
}

/**
 * @param {any} told Of one training; undefined when there was none.
 * @returns {Training}
 */
export function trainingOf(told) {
  if (!told) return IDLE;
  const [epoch, epochs] = [told.epoch ?? 0, told.total_epochs ?? 0];
  const finished = epochs > 0 && epoch >= epochs;
  const state = STATES[told.status] ?? "idle";
  return Object.freeze({
    state: state === "running" && finished ? "measuring" : state, // it is measured beside the serving model at its end
    epoch,
    epochs,
    share: epochs > 0 ? Math.min(1, epoch / epochs) : null,
    message: told.last_line ?? "",
    ...measuredIn(told),
  });
}
