// @ts-check
// The open image: what the AI says of it, what the reader said earlier, what he does now. Every answer of the server is
// for the image it was asked for, and is dropped unless that image is still the open one.

import { firstRadius } from "../viewer/brush.js";
import { Loader } from "./loading.js";
import { blank, UNANSWERED, Work } from "./work.js";

/** @typedef {import("./types").Answer} Answer */
/** @typedef {import("./types").ReviewState} ReviewState */
/** @typedef {import("./review.js").Review} Review */
/** @typedef {import("../viewer/types").Opened} Opened */

/** Images that are left sooner than this are only leafed through: nothing is asked for them. */
const REST_MS = 350;

export class Desk {
  /** @param {Review} review */
  constructor(review) {
    this.review = review;
    /** @type {Map<string, Work>} */
    this.works = new Map();
    /** @type {Work | null} */
    this.current = null;
    this.frames = 1;
    this.openedAt = -Infinity;
    this.resting = 0;
    this.loader = new Loader(this);
    /** @type {Map<string, string>} Why an image was handed out. */
    this.reasons = new Map();
    /** @type {number | null} Radius the reader chose. */
    this.brushSize = null;
  }

  /** @returns {Work[]} */
  get unsaved() {
    return [...this.works.values()].filter((work) => work.dirty);
  }

  /** @returns {Work[]} What holds changes and is not open. */
  get elsewhere() {
    return this.unsaved.filter((work) => work !== this.current);
  }

  /** @param {Opened | null} opened */
  async open(opened) {
    if (opened && this.current?.imageId === opened.image.imageId) return this.#show(this.current);
    this.#leave();
    if (!opened) {
      this.current = null;
      this.review.patch({ ...NOTHING, elsewhere: this.elsewhere.length });
      return;
    }
    const { image, frames } = opened;
    const work = this.works.get(image.imageId) ?? new Work(image, this.review.now);
    this.works.set(image.imageId, work);
    this.current = work;
    this.frames = frames;
    if (this.review.isSeen) work.stopwatch.start();
    this.tell();
    await this.#rest(work);
  }

  #leave() {
    const left = this.current;
    this.review.viewer.overlay("", null);
    if (!left) return;
    left.stopwatch.stop();
    left.loading?.abort();
    left.loading = null;
    this.review.patch({ explanationShown: false, leaving: false });
  }

  /**
   * Waits until the image is looked at and not leafed past.
   * @param {Work} work
   */
  async #rest(work) {
    const [now, turn] = [this.review.now(), (this.resting += 1)];
    const hurried = now - this.openedAt < REST_MS;
    this.openedAt = now;
    if (hurried) await this.review.wait(REST_MS);
    if (this.current === work && this.resting === turn) await this.#show(work);
  }

  /**
   * Brings what is known of an image onto the screen, and asks for what is not.
   * @param {Work} work
   */
  async #show(work) {
    const { viewer } = this.review;
    try {
      if (!(await viewer.prepare(work.imageId)) || !this.isOpen(work)) return;
      viewer.paintWith(work.activeLesion);
      viewer.setBrush(this.brushSize ?? firstRadius(work.image.columns));
      if (work.loaded) this.recount();
      else await this.loader.load(work);
    } catch (error) {
      if (this.isOpen(work)) this.review.fail(error);
    }
  }

  /**
   * @param {Work} work
   * @returns {boolean}
   */
  isOpen(work) {
    return this.current === work && this.review.viewer.opened()?.image.imageId === work.imageId;
  }

  /**
   * Draws what is kept somewhere: on the server, or by the AI.
   * @param {Work} work
   * @param {Uint8Array} mask
   * @param {import("./types").Stage} rest
   */
  drawKept(work, mask, rest) {
    this.review.viewer.write(work.imageId, mask, { undoable: false });
    work.settle(mask, rest);
    work.begun = new Set([1]);
    this.recount();
  }

  /**
   * Draws what the reader asked for; he can undo it.
   * @param {Work} work
   * @param {Uint8Array} mask
   */
  draw(work, mask) {
    this.review.viewer.write(work.imageId, mask, { undoable: true });
    this.recount();
  }

  /** @param {string} imageId Of the image a tool has painted on. */
  painted(imageId) {
    if (this.current?.imageId !== imageId) return;
    this.review.tools.hideExplanation();
    this.recount();
  }

  /** Takes note of what the open image shows. */
  recount() {
    const work = this.current;
    const mask = work && this.review.viewer.read(work.imageId);
    if (!work || !mask) return;
    work.count(mask, (segment) => this.review.viewer.colourOf(segment));
    work.author = work.dirty ? (work.author ?? this.review.state.reader) : null;
    if (work.dirty) this.#lend(work);
    this.tell();
  }

  /** @param {Partial<Answer>} part */
  answer(part) {
    const work = this.current;
    if (!work) return;
    work.answer = Object.freeze({ ...work.answer, ...part });
    this.recount();
  }

  /**
   * Keeps other readers off an image that is worked on.
   * @param {Work} work
   */
  #lend(work) {
    const { reader } = this.review.state;
    if (work.lent || work.submitted || work.skipped || work.author !== reader) return;
    work.lent = true;
    this.review.api.lend(work.imageId, reader).catch((error) => {
      if (this.current === work && error.status === 409) this.review.say("info", `Others may see this image too: ${error.message}`);
    });
  }

  /** Drops what is not saved of the open image. */
  dropChanges() {
    const work = this.current;
    if (!work) return;
    const fresh = new Work(work.image, this.review.now);
    this.works.set(work.imageId, fresh);
    if (this.review.isSeen) fresh.stopwatch.start();
    this.current = fresh;
    this.review.viewer.write(work.imageId, blank(work), { undoable: false });
    this.tell();
  }

  /**
   * Asks everything anew, for another reader.
   * @param {string | null} author Whose what is not saved is from now on; null leaves it to whoever drew it.
   */
  renew(author) {
    for (const work of this.works.values()) {
      if (!work.dirty) this.forget(work);
      else {
        work.renew();
        work.author = author ?? work.author;
      }
    }
    this.#leave();
    this.current = null;
    this.openedAt = -Infinity;
    void this.open(this.review.viewer.opened());
  }

  /**
   * Forgets an image, on which nothing is unsaved.
   * @param {Work} work
   */
  forget(work) {
    const { viewer } = this.review;
    this.works.delete(work.imageId);
    if (this.isOpen(work) && viewer.read(work.imageId)) viewer.write(work.imageId, blank(work), { undoable: false });
    viewer.forget(work.imageId);
  }

  /** Puts the open image into the state that panels see. */
  tell() {
    const work = this.current;
    if (!work) return this.review.patch({ elsewhere: this.elsewhere.length });
    const { viewer } = this.review;
    const active = work.lesions.some(({ segment }) => segment === work.activeLesion);
    this.review.patch({
      image: work.image,
      stage: work.stage,
      prediction: work.prediction,
      answer: work.answer,
      lesions: work.lesions,
      activeLesion: active ? work.activeLesion : null,
      dirty: work.dirty,
      canUndo: viewer.canUndo(),
      canRedo: viewer.canRedo(),
      conflict: work.conflict,
      earlier: work.earlier,
      skipped: work.skipped,
      elsewhere: this.elsewhere.length,
      frames: this.frames > 1 ? this.#framesOf(work) : null,
      reason: this.reasons.get(work.imageId) ?? null,
      brushSize: this.brushSize ?? firstRadius(work.image.columns),
    });
  }

  /** @param {Work} open */
  #framesOf({ image }) {
    const cine = [...this.works.values()].filter((work) => work.image.sop === image.sop);
    const numbers = (/** @type {(work: Work) => boolean} */ are) =>
      Object.freeze(cine.filter(are).map((work) => work.image.frame ?? 0).sort((a, b) => a - b));
    return Object.freeze({
      total: this.frames,
      masks: numbers((work) => work.marked || work.prediction !== null),
      submitted: numbers((work) => work.submitted),
    });
  }
}

/** @type {Partial<ReviewState>} */
const NOTHING = Object.freeze({
  image: null,
  stage: "none",
  prediction: null,
  answer: UNANSWERED,
  lesions: Object.freeze([]),
  activeLesion: null,
  dirty: false,
  canUndo: false,
  canRedo: false,
  conflict: null,
  earlier: null,
  skipped: null,
  frames: null,
  reason: null,
});
