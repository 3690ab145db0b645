// @ts-check
// What leaves the desk: answers, drafts, skips; and what happens when somebody else saved under this name meanwhile.

import { StaleRevisionError } from "../server/errors.js";
import { separate } from "../viewer/components.js";
import { answerOf, missingIn, paramsOf, revisionOf } from "./answers.js";
import { checked } from "./loading.js";
import { blank, lesionsIn } from "./work.js";

/** @typedef {import("./types").SkipKind} SkipKind */
/** @typedef {import("./types").Revision} Revision */
/** @typedef {import("./desk.js").Desk} Desk */
/** @typedef {import("./work.js").Work} Work */
/** @typedef {"submitted" | "draft"} Kind */

export class Saving {
  /** @param {Desk} desk */
  constructor(desk) {
    this.desk = desk;
    /** @type {Kind} What a conflict was met with. */
    this.kind = "submitted";
  }

  get review() {
    return this.desk.review;
  }

  /**
   * @param {Kind} kind
   * @returns {Promise<boolean>} True when it is kept.
   */
  async save(kind) {
    const work = this.desk.current;
    if (!work || !this.desk.isOpen(work)) return false;
    const missing = kind === "submitted" ? missingIn(work) : emptyIn(work);
    if (missing) {
      this.review.say("error", missing);
      return false;
    }
    if (work.conflict) {
      this.review.say("error", "Settle the conflict first: keep yours, or take what stands.");
      return false;
    }
    return this.#send(work, kind);
  }

  /**
   * @param {Work} work
   * @param {Kind} kind
   */
  async #send(work, kind) {
    const mask = this.review.viewer.read(work.imageId) ?? blank(work);
    const { rows, columns } = work.image;
    const answer = work.answer;
    const file = work.marked ? { rows, columns, data: mask } : null;
    this.kind = kind;
    if (this.desk.current === work) this.review.patch({ stage: "saving" });
    try {
      const saved = await this.review.api.saveLabel(work.imageId, { mask: file, params: paramsOf(work, { reader: this.review.state.reader, state: kind }) });
      this.#kept(work, mask, answer, saved, kind);
      return true;
    } catch (error) {
      if (error instanceof StaleRevisionError) return await this.#stale(work, error, kind);
      if (this.desk.current === work) this.desk.tell();
      throw error;
    }
  }

  /**
   * @param {Work} work
   * @param {Uint8Array} mask What was sent; the reader may have gone on painting.
   * @param {import("./types").Answer} answer
   * @param {{ revision: number, annotation: number }} saved
   * @param {Kind} kind
   */
  #kept(work, mask, answer, saved, kind) {
    work.base = saved.revision;
    work.submitted = kind === "submitted";
    work.lent = work.submitted;
    const later = work.answer;
    work.answer = answer;
    work.settle(mask, "saved");
    work.answer = later;
    work.earlier = revisionOf({
      ...saved, ...answer, image: work.imageId, reader: this.review.state.reader, state: kind,
      has_mask: work.marked, created: new Date(this.review.now()).toISOString(),
    });
    work.stopwatch.reset();
    this.review.say("info", kind === "draft" ? "Kept as a draft; it counts for nothing yet." : `Submitted as revision ${saved.revision}.`);
    if (this.desk.current === work) this.desk.recount();
    void this.review.board.refresh();
  }

  /**
   * @param {Work} work
   * @param {StaleRevisionError} error
   * @param {Kind} kind
   * @returns {Promise<boolean>}
   */
  async #stale(work, error, kind) {
    if (!error.current) { // the earlier one was withdrawn: there is nothing to disagree with
      work.base = 0;
      return this.#send(work, kind);
    }
    const current = revisionOf(error.current);
    const stands = await this.#outlined(work, current);
    work.conflict = Object.freeze({
      kept: Object.freeze({ ...revisionOf(error.kept), lesions: work.lesions }),
      current: Object.freeze(stands ? { ...current, lesions: stands } : current),
    });
    if (this.desk.current === work) this.desk.tell();
    this.review.say("error", "This image was saved under your name meanwhile. Both are kept: choose which one holds.");
    return false;
  }

  /**
   * @param {Work} work
   * @param {Revision} revision
   * @returns {Promise<readonly import("./types").Lesion[] | null>} Null where it cannot be had: the reader decides without.
   */
  async #outlined(work, revision) {
    if (!revision.hasMask) return [];
    const mask = await this.review.api.revisionMask(work.imageId, revision.revision).catch(() => null);
    return mask && lesionsIn(separate(checked(mask, work), work.image.columns), work.image.spacing);
  }

  /** @param {"mine" | "theirs"} choice */
  async resolve(choice) {
    const work = this.desk.current;
    if (!work?.conflict) return;
    const { current } = work.conflict;
    if (choice === "mine") {
      work.conflict = null;
      work.base = current.revision;
      await this.#send(work, this.kind);
      return;
    }
    const mask = current.hasMask ? await this.review.api.revisionMask(work.imageId, current.revision) : null;
    if (!this.desk.isOpen(work)) return;
    const drawn = mask ? separate(checked(mask, work), work.image.columns) : blank(work);
    work.conflict = null;
    work.base = current.revision;
    work.earlier = current;
    work.answer = answerOf(current);
    work.settle(drawn, "earlier");
    this.desk.draw(work, drawn);
  }

  /**
   * @param {SkipKind} kind
   * @param {string} reason
   * @returns {Promise<boolean>} True when it is kept.
   */
  async skip(kind, reason) {
    const work = this.desk.current;
    if (!work) return false;
    if (!reason.trim()) {
      this.review.say("error", "Tell why: the reason is kept with the image.");
      return false;
    }
    await this.review.api.skip(work.imageId, this.review.state.reader, kind, reason.trim());
    this.review.viewer.forget(work.imageId);
    work.dirty = false;
    work.lent = false;
    if (this.desk.current === work) work.settle(this.review.viewer.read(work.imageId) ?? blank(work), "saved");
    void this.review.board.refresh();
    return true;
  }
}

/**
 * @param {Work} work
 * @returns {string | null} Why there is nothing to keep as a draft.
 */
function emptyIn({ marked, answer }) {
  return marked || answer.noLesion ? null : "There is nothing to keep yet: outline the lesion, or say that there is none.";
}
