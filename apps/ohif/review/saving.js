// @ts-check
// What leaves the desk: answers, drafts, skips; and what happens when somebody else saved under this name meanwhile.

import { StaleRevisionError } from "../server/errors.js";
import { lesionsOf } from "../viewer/components.js";
import { answerOf, missingIn, paramsOf, revisionOf, saySame, skipOf } from "./answers.js";
import { checked } from "./loading.js";
import { blank, lesionsIn } from "./work.js";

/** @typedef {import("./types").SkipKind} SkipKind */
/** @typedef {import("./types").Revision} Revision */
/** @typedef {import("./desk.js").Desk} Desk */
/** @typedef {import("./work.js").Work} Work */
/** @typedef {"submitted" | "draft"} Kind */

/**
 * @typedef {object} Sent What went to the server; the reader may have gone on painting since.
 * @property {Kind} kind
 * @property {Uint8Array} mask
 * @property {boolean} marked
 * @property {import("./types").Answer} answer
 * @property {string} reader
 * @property {Record<string, unknown>} params
 */

export class Saving {
  /** @param {Desk} desk */
  constructor(desk) {
    this.desk = desk;
    /** @type {WeakMap<Work, Kind>} What a conflict was met with. */
    this.kinds = new WeakMap();
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
    const problem = (kind === "submitted" ? missingIn(work) : emptyIn(work)) ?? this.#whyNot(work);
    if (problem) {
      this.review.say("error", problem);
      return false;
    }
    return this.#send(work, kind);
  }

  /**
   * @param {Work} work
   * @returns {string | null}
   */
  #whyNot(work) {
    const { reader } = this.review.state;
    if (work.saving) return "The answer to this image is on its way already.";
    if (work.conflict) return "Settle the conflict first: keep yours, or take what stands.";
    if (work.author && work.author !== reader) return `${work.author} drew this and ${reader} is logged in: log in as ${work.author} to submit it, or go on to the next image and discard it.`;
    return null;
  }

  /**
   * @param {Work} work
   * @param {Kind} kind
   * @returns {Promise<boolean>}
   */
  async #send(work, kind) {
    const mask = this.review.viewer.read(work.imageId) ?? blank(work);
    const { reader } = this.review.state;
    const sent = { kind, mask, marked: work.marked, answer: work.answer, reader, params: paramsOf(work, { reader, state: kind }) };
    work.saving = this.#sent(work, sent);
    if (this.desk.current === work) this.desk.tell();
    try {
      return await work.saving;
    } catch (error) {
      if (this.desk.current === work) throw error;
      this.review.fail(error, "The image you left is not saved: ");
      return false;
    } finally {
      work.saving = null;
      this.desk.tell();
    }
  }

  /**
   * @param {Work} work
   * @param {Sent} sent
   * @returns {Promise<boolean>}
   */
  async #sent(work, sent) {
    if (!(await this.review.board.isStillThere())) return false;
    const { rows, columns } = work.image;
    const mask = sent.marked ? { rows, columns, data: sent.mask } : null;
    try {
      const saved = await this.review.api.saveLabel(work.imageId, { mask, params: sent.params });
      this.#kept(work, sent, saved);
      return true;
    } catch (error) {
      if (error instanceof StaleRevisionError) return this.#stale(work, sent, error);
      throw error;
    }
  }

  /**
   * @param {Work} work
   * @param {Sent} sent
   * @param {{ revision: number, annotation: number }} saved
   */
  #kept(work, { kind, mask, marked, answer, reader }, saved) {
    work.base = saved.revision;
    work.submitted = kind === "submitted";
    work.lent = work.submitted;
    work.skipped = null;
    const later = work.answer;
    work.answer = answer;
    work.settle(mask, kind === "submitted" ? "saved" : "earlier");
    work.answer = later;
    work.earlier = revisionOf({
      ...saved, ...answer, image: work.imageId, reader, state: kind,
      has_mask: marked, created: new Date(this.review.now()).toISOString(),
    });
    work.stopwatch.reset();
    const isOpen = this.desk.current === work;
    const told = kind === "draft" ? "Kept as a draft; it counts for nothing yet." : `Submitted as revision ${saved.revision}.`;
    this.review.say("info", isOpen ? told : `Of the image you left: ${told}`);
    if (isOpen) this.desk.recount();
    else work.compare(this.review.viewer.read(work.imageId) ?? mask);
    if (work.dirty) work.author = reader;
    void this.review.board.refresh();
  }

  /**
   * @param {Work} work
   * @param {Sent} sent
   * @param {StaleRevisionError} error
   * @returns {Promise<boolean>}
   */
  async #stale(work, sent, error) {
    if (!error.current) { // the earlier one was withdrawn: there is nothing to disagree with
      work.base = 0;
      return this.#sent(work, { ...sent, params: { ...sent.params, base_revision: 0 } });
    }
    const current = revisionOf(error.current);
    const stands = await this.#outlined(work, current);
    if (current.state === sent.kind && stands && areSameMarks(stands, sent.mask) && saySame(current, { ...sent.answer, hasMask: sent.marked })) {
      this.#kept(work, sent, current); // it was kept the first time, and only the receipt was lost
      return true;
    }
    this.kinds.set(work, sent.kind);
    const lesions = stands && lesionsIn(lesionsOf(stands, work.image.columns), work.image.spacing);
    work.conflict = Object.freeze({
      kept: Object.freeze({ ...revisionOf(error.kept), lesions: work.lesions }),
      current: Object.freeze(lesions ? { ...current, lesions } : current),
    });
    this.review.say("error", "This image was saved under your name meanwhile. Both are kept: choose which one holds.");
    return false;
  }

  /**
   * @param {Work} work
   * @param {Revision} revision
   * @returns {Promise<Uint8Array | null>} Its mask; null where it cannot be had: the reader decides without.
   */
  async #outlined(work, revision) {
    if (!revision.hasMask) return blank(work);
    const mask = await this.review.api.revisionMask(work.imageId, revision.revision).catch(() => null);
    return mask && checked(mask, work);
  }

  /** @param {"mine" | "theirs"} choice */
  async resolve(choice) {
    const work = this.desk.current;
    if (!work?.conflict) return;
    const { current } = work.conflict;
    if (choice === "mine") {
      work.conflict = null;
      work.base = current.revision;
      await this.#send(work, this.kinds.get(work) ?? "submitted");
      return;
    }
    const mask = current.hasMask ? await this.review.api.revisionMask(work.imageId, current.revision) : null;
    if (!this.desk.isOpen(work)) return;
    const drawn = mask ? lesionsOf(checked(mask, work), work.image.columns) : blank(work);
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
   * @returns {Promise<boolean>} True when it is kept, and the reader still looks at that image.
   */
  async skip(kind, reason) {
    const work = this.desk.current;
    if (!work) return false;
    if (!reason.trim()) {
      this.review.say("error", "Tell why: the reason is kept with the image.");
      return false;
    }
    const whose = this.#whyNot(work);
    if (whose) {
      this.review.say("error", whose);
      return false;
    }
    const skip = await this.review.api.skip(work.imageId, this.review.state.reader, kind, reason.trim());
    void this.review.board.refresh();
    if (this.desk.current !== work) {
      this.desk.forget(work); // opened again, it is asked for anew
      return false;
    }
    work.lent = false;
    work.skipped = skipOf(skip);
    work.settle(this.review.viewer.read(work.imageId) ?? blank(work), "skipped");
    this.desk.tell();
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

/**
 * @param {Uint8Array} one
 * @param {Uint8Array} other
 * @returns {boolean} Whether the same pixels are marked, whichever lesion they belong to.
 */
function areSameMarks(one, other) {
  return one.length === other.length && one.every((value, pixel) => value > 0 === other[pixel] > 0);
}
