// @ts-check
// What is known of an image is asked for while it opens: the AI's mask, and what the reader said of it earlier. An answer
// for an image that is not the open one any more is dropped; the image is asked for anew when it is opened again.

import { WithdrawnError } from "../server/errors.js";
import { lesionsOf, separate } from "../viewer/components.js";
import { answerOf, lastSkipOf, newestOf, predictionOf } from "./answers.js";
import { blank } from "./work.js";

/** @typedef {import("./desk.js").Desk} Desk */
/** @typedef {import("./work.js").Work} Work */
/** @typedef {import("../server/api.js").Inference} Inference */
/** @typedef {import("../server/nrrd.js").Plane} Plane */
/** @typedef {import("../server/api.js").Api} Api */

/**
 * @typedef {object} Asked
 * @property {string} imageId
 * @property {Promise<Inference>} inference
 * @property {Promise<{ revisions: any[], skips: any[] }>} past
 */

/**
 * Asks for all that is known of an image, at once.
 * @param {Pick<Api, "infer" | "revisions">} api
 * @param {string} imageId
 * @param {AbortSignal} [signal]
 * @returns {Asked}
 */
export function ask(api, imageId, signal) {
  const asked = { imageId, inference: api.infer(imageId, { signal }), past: api.revisions(imageId, { signal }) };
  for (const answer of [asked.inference, asked.past]) answer.catch(() => {}); // told by whoever waits for it
  return asked;
}

export class Loader {
  /** @param {Desk} desk */
  constructor(desk) {
    this.desk = desk;
    /** @type {Asked | null} Before the viewer has opened the image. */
    this.expected = null;
  }

  get api() {
    return this.desk.review.api;
  }

  /**
   * Asks of an image that is about to be opened.
   * @param {string} imageId
   * @param {Asked} [asked] By somebody else already.
   */
  expect(imageId, asked) {
    if (this.expected?.imageId === imageId || this.desk.works.get(imageId)?.loaded) return;
    this.expected = asked ?? ask(this.api, imageId);
  }

  /**
   * @param {string} imageId
   * @param {AbortSignal} signal
   * @returns {Asked}
   */
  #asked(imageId, signal) {
    const { expected } = this;
    this.expected = null;
    if (expected?.imageId !== imageId) return ask(this.api, imageId, signal);
    // What failed then may do now: the models were not loaded yet, nobody was logged in.
    return {
      imageId,
      inference: expected.inference.catch(() => this.api.infer(imageId, { signal })),
      past: expected.past.catch(() => this.api.revisions(imageId, { signal })),
    };
  }

  /**
   * Asks the AI anew and shows its mask, unless the reader has painted meanwhile; he can undo it.
   * @param {Work} work
   */
  async again(work) {
    const { viewer } = this.desk.review;
    const before = viewer.read(work.imageId);
    const { params, mask } = await this.api.infer(work.imageId);
    if (!this.desk.isOpen(work)) return;
    work.prediction = predictionOf(params);
    work.aiMask = separate(checked(mask, work), work.image.columns);
    work.loaded = true;
    const now = viewer.read(work.imageId);
    if (before && now && before.some((value, pixel) => value !== now[pixel])) {
      this.desk.recount();
      this.desk.review.say("info", "The AI has answered. You have painted meanwhile, so its outline is not drawn: ask again to see it.");
      return;
    }
    if (work.base === 0) work.keepMask(work.aiMask, work.restPredicted);
    this.desk.draw(work, work.aiMask);
  }

  /** @param {Work} work */
  async load(work) {
    if (work.loading) return;
    const loading = (work.loading = new AbortController());
    const asked = this.#asked(work.imageId, loading.signal);
    const isWanted = () => !loading.signal.aborted && this.desk.isOpen(work);
    try {
      const past = await asked.past;
      if (!isWanted()) return;
      await this.#restore(work, past, loading.signal);
      const { params, mask } = await asked.inference;
      if (!isWanted()) return;
      work.prediction = predictionOf(params);
      work.aiMask = separate(checked(mask, work), work.image.columns);
      this.desk.recount(); // a stroke may be under way
      if (!work.earlier && !work.dirty && !work.marked) this.desk.drawKept(work, work.aiMask, work.restPredicted);
      else if (work.rest === "loading") work.rest = work.earlier ? "earlier" : "editing";
      work.loaded = true;
      this.desk.recount();
    } catch (error) {
      if (error instanceof WithdrawnError || !isWanted()) return;
      work.rest = work.earlier ? "earlier" : "editing"; // he can outline it himself
      this.desk.tell();
      this.desk.review.fail(error);
    } finally {
      if (work.loading === loading) work.loading = null;
    }
  }

  /**
   * Shows what the reader himself said of the image before.
   * @param {Work} work
   * @param {{ revisions: readonly any[], skips: readonly any[] }} past
   * @param {AbortSignal} signal
   */
  async #restore(work, { revisions, skips }, signal) {
    const { reader } = this.desk.review.state;
    const earlier = newestOf(revisions, reader);
    work.base = earlier?.revision ?? 0;
    work.skipped = lastSkipOf(skips, reader, earlier);
    if (!earlier) return;
    const mask = earlier.hasMask ? await this.api.revisionMask(work.imageId, earlier.revision, { signal }) : null;
    if (signal.aborted || !this.desk.isOpen(work)) return;
    work.earlier = earlier;
    work.submitted = earlier.state !== "draft";
    this.desk.recount();
    if (work.dirty) return; // he has begun anew already
    work.answer = answerOf(earlier);
    this.desk.drawKept(work, mask ? lesionsOf(checked(mask, work), work.image.columns) : blank(work), work.skipped ? "skipped" : "earlier");
  }
}

/**
 * @param {Plane} mask
 * @param {Work} work
 * @returns {Uint8Array}
 */
export function checked({ rows, columns, data }, { image }) {
  if (rows !== image.rows || columns !== image.columns) {
    throw new RangeError(`The server's mask of ${columns} x ${rows} pixels does not fit the image of ${image.columns} x ${image.rows}.`);
  }
  return data;
}
