// @ts-check
// The lesions of the open image: begun, chosen, removed, and all of them at once.

import { MAX_LESIONS, without } from "../viewer/components.js";
import { blank } from "./work.js";

/** @typedef {import("./desk.js").Desk} Desk */
/** @typedef {import("./work.js").Work} Work */

export class Lesions {
  /** @param {Desk} desk */
  constructor(desk) {
    this.desk = desk;
  }

  get viewer() {
    return this.desk.review.viewer;
  }

  /** @param {Work} work */
  add(work) {
    const taken = [0, ...work.begun, ...work.lesions.map(({ segment }) => segment)];
    const segment = work.marked ? Math.max(...taken) + 1 : 1;
    if (segment > MAX_LESIONS) return this.desk.review.say("error", `At most ${MAX_LESIONS} lesions can be told apart.`);
    work.begun.add(segment);
    this.select(work, segment);
  }

  /**
   * @param {Work} work
   * @param {number} segment
   */
  select(work, segment) {
    work.activeLesion = segment;
    this.viewer.paintWith(segment);
    this.desk.recount();
  }

  /**
   * @param {Work} work
   * @param {number} segment
   */
  remove(work, segment) {
    work.begun.delete(segment);
    this.desk.draw(work, without(this.viewer.read(work.imageId) ?? blank(work), segment));
  }

  /**
   * Takes the outline away, for the reader says that there is no lesion.
   * @param {Work} work
   */
  empty(work) {
    work.begun = new Set([1]);
    if (!work.marked) return;
    const outline = this.viewer.read(work.imageId);
    this.desk.draw(work, blank(work));
    work.emptied = outline;
  }

  /**
   * Gives the outline back that was taken away, for he has changed his mind.
   * @param {Work} work
   */
  refill(work) {
    if (work.answer.noLesion && work.emptied) this.desk.draw(work, work.emptied);
  }
}
