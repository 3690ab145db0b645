// @ts-check
// The review session: its state, and everything a reader can do. review/types.d.ts is the contract with the panel.

import { clampRadius } from "../viewer/brush.js";
import { Acting } from "./acting.js";
import { Board } from "./board.js";
import { Desk } from "./desk.js";
import { Lesions } from "./lesions.js";
import { Saving } from "./saving.js";
import { Tools } from "./tools.js";

/** @typedef {import("./types").Pathology} Pathology */
/** @typedef {import("./types").Review} Contract */

/**
 * @typedef {object} Parts
 * @property {import("../server/api.js").Api} api
 * @property {import("../viewer/types").Viewer} viewer
 * @property {Pick<Storage, "getItem" | "setItem">} storage
 * @property {() => number} [now] Milliseconds.
 * @property {(ms: number) => Promise<void>} [wait]
 */

/** @implements {Contract} */
export class Review extends Acting {
  /** @param {Parts} parts */
  constructor({ api, viewer, storage, now = Date.now, wait = (ms) => new Promise((done) => setTimeout(done, ms)) }) {
    super();
    this.api = api;
    this.viewer = viewer;
    this.storage = storage;
    this.now = now;
    this.wait = wait;
    this.board = new Board(this);
    this.desk = new Desk(this);
    this.saving = new Saving(this.desk);
    this.lesions = new Lesions(this.desk);
    this.tools = new Tools(this);
    /** Whether the window is. */
    this.isSeen = true;
    viewer.onOpened((opened) => void this.desk.open(opened));
    viewer.onComing((imageId) => this.desk.loader.expect(imageId));
    viewer.onPainted((imageId) => this.desk.painted(imageId));
  }

  /** @returns {boolean} True when something would be lost with the window. */
  get hasUnsaved() {
    return this.desk.unsaved.length > 0;
  }

  /** @param {boolean} seen Whether the window is. */
  seen(seen) {
    this.isSeen = seen;
    const stopwatch = this.desk.current?.stopwatch;
    if (seen) stopwatch?.start();
    else stopwatch?.stop();
  }

  /** The reader has moved the mouse, or pressed a key. */
  touched() {
    this.desk.current?.stopwatch.touch();
  }

  /**
   * Runs what is done on the open image; nothing when there is none.
   * @param {string} name
   * @param {(work: import("./work.js").Work) => unknown} act
   */
  #onImage(name, act) {
    return this.act(name, () => {
      const work = this.desk.current;
      return work && this.desk.isOpen(work) ? act(work) : undefined;
    });
  }

  predict() {
    return this.#onImage("predict", (work) => this.desk.loader.again(work));
  }

  accept() {
    return this.#onImage("accept", async (work) => {
      if (!work.prediction || !work.aiMask) return this.say("error", "The AI has not answered yet.");
      const noLesion = !work.aiMask.some(Boolean);
      if (!noLesion && work.prediction.pathology === "normal") {
        return this.say("error", "The AI marks something and calls the image normal: choose yourself what holds.");
      }
      if (noLesion && (work.prediction.pathology ?? "normal") !== "normal") {
        return this.say("error", `The AI outlines nothing, yet names ${work.prediction.pathology}: choose yourself what holds.`);
      }
      this.desk.draw(work, work.aiMask);
      this.desk.answer({ pathology: noLesion ? "normal" : work.prediction.pathology, noLesion });
      await this.saving.save("submitted");
    });
  }

  /** @param {Pathology | null} pathology */
  setPathology(pathology) {
    if (pathology === "normal") return this.noLesion(true);
    return this.#onImage("setPathology", (work) => {
      this.lesions.refill(work);
      this.desk.answer({ pathology, noLesion: false });
    });
  }

  /** @param {import("./types").Birads | null} birads */
  setBirads(birads) {
    return this.#onImage("setBirads", () => this.desk.answer({ birads }));
  }

  addLesion() {
    return this.#onImage("addLesion", (work) => this.lesions.add(work));
  }

  /** @param {number} segment */
  selectLesion(segment) {
    return this.#onImage("selectLesion", (work) => this.lesions.select(work, segment));
  }

  /** @param {number} segment */
  removeLesion(segment) {
    return this.#onImage("removeLesion", (work) => this.lesions.remove(work, segment));
  }

  noLesion(on = true) {
    return this.#onImage("noLesion", (work) => {
      if (on) this.lesions.empty(work);
      else this.lesions.refill(work);
      this.desk.answer({ pathology: on ? "normal" : null, noLesion: on });
    });
  }

  /**
   * @param {import("./types").SkipKind} kind
   * @param {string} reason
   */
  skip(kind, reason) {
    return this.#onImage("skip", async () => {
      if (await this.saving.skip(kind, reason)) await this.#openNext();
    });
  }

  submit() {
    return this.#onImage("submit", () => this.saving.save("submitted"));
  }

  saveDraft() {
    return this.#onImage("saveDraft", () => this.saving.save("draft"));
  }

  next() {
    return this.act("next", async () => {
      await this.desk.current?.saving?.catch(() => {}); // told by whoever sent it
      return this.desk.current?.dirty ? this.patch({ leaving: true }) : this.#openNext();
    });
  }

  /** @param {boolean} leave */
  confirmLeave(leave) {
    return this.act("confirmLeave", async () => {
      if (!this.state.leaving) return;
      this.patch({ leaving: false });
      if (leave) await this.#openNext({ drop: this.desk.current });
    });
  }

  openUnsaved() {
    return this.act("openUnsaved", () => {
      const [work] = this.desk.elsewhere;
      if (work) this.viewer.goTo(work.image);
    });
  }

  /** @param {{ drop?: import("./work.js").Work | null }} [options] Whose changes go, once it is known where to. */
  async #openNext({ drop = null } = {}) {
    const { strategy, reader } = this.state;
    if (!strategy) return this.say("error", "The server offers no strategy.");
    const sample = await this.api.next(strategy, reader);
    if (drop && drop === this.desk.current) this.desk.dropChanges();
    if (this.desk.current?.dirty) return this.patch({ leaving: true });
    if (!sample) {
      this.say("info", "Nothing waits for you: every image is answered, or in the hands of others.");
      return void this.desk.open(this.viewer.opened());
    }
    this.desk.reasons.set(sample.id, sample.sonoloop?.reason ?? "");
    if (this.desk.current?.imageId === sample.id) {
      this.say("info", "This image is still the next one that waits for you: submit it, or skip it.");
      return void this.desk.open(this.viewer.opened());
    }
    this.desk.loader.expect(sample.id);
    this.viewer.goTo({
      study: sample.StudyInstanceUID, series: sample.SeriesInstanceUID, sop: sample.SOPInstanceUID,
      frame: (sample.frame_count ?? 1) > 1 ? (sample.frame ?? 0) : null,
    });
  }

  /** @param {string} name */
  setStrategy(name) {
    return this.act("setStrategy", () => this.board.setStrategy(name));
  }

  /** @param {import("./types").Task} task */
  startTraining(task) {
    return this.act("startTraining", () => this.board.startTraining(task));
  }

  stopTraining() {
    return this.act("stopTraining", () => this.board.stopTraining());
  }

  /** @param {"mine" | "theirs"} choice */
  resolveConflict(choice) {
    return this.#onImage("resolveConflict", () => this.saving.resolve(choice));
  }

  toggleExplanation() {
    return this.#onImage("toggleExplanation", (work) => this.tools.toggleExplanation(work));
  }

  /** @param {import("./types").Tool} tool */
  setTool(tool) {
    return this.act("setTool", () => this.tools.choose(tool));
  }

  /** @param {number} radiusPx */
  setBrushSize(radiusPx) {
    return this.act("setBrushSize", () => {
      this.desk.brushSize = clampRadius(radiusPx);
      this.viewer.setBrush(this.desk.brushSize);
      this.patch({ brushSize: this.desk.brushSize });
    });
  }

  /**
   * @param {number} low
   * @param {number} high
   */
  setThreshold(low, high) {
    return this.act("setThreshold", () => {
      const [from, to] = [Math.min(low, high), Math.max(low, high)];
      this.viewer.setThreshold(from, to);
      this.patch({ threshold: Object.freeze(/** @type {const} */ ([from, to])) });
    });
  }

  undo() {
    return this.#onImage("undo", () => this.#back(() => this.viewer.undo()));
  }

  redo() {
    return this.#onImage("redo", () => this.#back(() => this.viewer.redo()));
  }

  /** @param {() => void} step */
  #back(step) {
    step();
    this.desk.recount();
  }

  refresh() {
    return this.act("refresh", async () => {
      await this.board.refresh();
      await this.desk.open(this.viewer.opened());
    });
  }

  /** @param {string} name */
  setReader(name) {
    return this.act("setReader", () => this.board.setReader(name));
  }

  /** @param {number} frame */
  openFrame(frame) {
    return this.act("openFrame", () => this.viewer.openFrame(frame));
  }

  login() {
    return this.act("login", () => {
      const beside = this.hasUnsaved;
      this.viewer.login(beside);
      if (beside) this.say("info", "Log in there, and come back here: your changes are kept in this window.");
    });
  }

  dismissMessage() {
    this.patch({ message: null });
    return Promise.resolve();
  }
}
