// @ts-check
// What a reader has done on one image, as long as this window lives.

import { areasOf } from "../viewer/components.js";
import { areSame, isBlank, pack } from "../viewer/packing.js";
import { Stopwatch } from "./stopwatch.js";

/** @typedef {import("./types").Answer} Answer */
/** @typedef {import("./types").Stage} Stage */
/** @typedef {import("./types").Lesion} Lesion */
/** @typedef {import("./types").OpenImage} OpenImage */
/** @typedef {import("./types").Prediction} Prediction */
/** @typedef {import("./types").Revision} Revision */
/** @typedef {import("./types").Skip} Skip */
/** @typedef {import("../viewer/packing.js").PackedMask} PackedMask */

/** @type {Answer} */
export const UNANSWERED = Object.freeze({ pathology: null, birads: null, noLesion: false });

export class Work {
  /**
   * @param {OpenImage} image
   * @param {() => number} now Milliseconds.
   */
  constructor(image, now) {
    this.image = image;
    /** @type {Prediction | null} */
    this.prediction = null;
    /** @type {Uint8Array | null} The AI's mask, lesion by lesion. */
    this.aiMask = null;
    /** @type {Answer} */
    this.answer = UNANSWERED;
    /** @type {Stage} What it is while nothing is unsaved. */
    this.rest = "loading";
    /** @type {PackedMask} As it was loaded or saved. */
    this.savedMask = pack(new Uint8Array(image.rows * image.columns));
    /** @type {Answer} */
    this.savedAnswer = UNANSWERED;
    /** @type {Revision | null} */
    this.earlier = null;
    /** @type {Skip | null} What the reader said instead of an answer, if that was his last word. */
    this.skipped = null;
    /** @type {string | null} Who made the changes that are not saved; null while there are none. */
    this.author = null;
    /** @type {Promise<boolean> | null} An answer on its way to the server: whether it is kept. */
    this.saving = null;
    /** The reader's own newest revision; 0: none. */
    this.base = 0;
    /** @type {import("./types").Conflict | null} */
    this.conflict = null;
    this.dirty = false;
    /** @type {Uint8Array | null} The outline that the answer "no lesion" has emptied, while nothing else was drawn. */
    this.emptied = null;
    this.marked = false;
    this.submitted = false;
    this.loaded = false;
    this.lent = false;
    /** @type {readonly Lesion[]} */
    this.lesions = Object.freeze([]);
    /** Segments the reader began, though nothing may be painted yet. */
    this.begun = new Set([1]);
    this.activeLesion = 1;
    this.stopwatch = new Stopwatch(now);
    /** @type {AbortController | null} */
    this.loading = null;
  }

  get imageId() {
    return this.image.imageId;
  }

  /** @returns {Stage} */
  get stage() {
    if (this.saving) return "saving";
    return this.dirty ? "editing" : this.rest;
  }

  /**
   * Takes note of what is painted.
   * @param {Uint8Array} mask
   * @param {(segment: number) => string | undefined} [colourOf]
   */
  count(mask, colourOf = () => undefined) {
    const begun = [...this.begun].filter((segment) => segment > 1);
    const lesions = lesionsIn(mask, this.image.spacing, begun);
    this.lesions = Object.freeze(lesions.map((lesion) => Object.freeze({ ...lesion, colour: colourOf(lesion.segment) })));
    this.marked = lesions.some(({ areaPx }) => areaPx > 0);
    if (this.marked) this.emptied = null;
    if (this.marked && this.answer.noLesion) {
      this.answer = Object.freeze({ ...this.answer, pathology: null, noLesion: false });
    }
    this.compare(mask);
  }

  /** @param {Uint8Array} mask */
  compare(mask) {
    const packed = pack(mask);
    const untouched = areSame(packed, this.savedMask) || (isBlank(packed) && isBlank(this.savedMask));
    this.dirty = !untouched || !areSameAnswers(this.answer, this.savedAnswer);
  }

  /** Forgets what one reader has said of it. */
  renew() {
    this.earlier = null;
    this.skipped = null;
    this.base = 0;
    this.conflict = null;
    this.submitted = false;
    this.loaded = false;
    this.lent = false;
  }

  /**
   * What is on the screen is what is kept.
   * @param {Uint8Array} mask
   * @param {Stage} rest
   */
  settle(mask, rest) {
    this.keepMask(mask, rest);
    this.savedAnswer = this.answer;
    this.dirty = false;
    this.author = null;
  }

  /**
   * A mask is what is kept; what the reader has answered beside it may still be unsaved.
   * @param {Uint8Array} mask
   * @param {Stage} rest
   */
  keepMask(mask, rest) {
    this.savedMask = pack(mask);
    this.rest = rest;
  }

  /** What is shown while nothing is unsaved: the AI's mask, or that the reader has skipped the image. */
  get restPredicted() {
    return this.skipped ? "skipped" : "predicted";
  }
}

/**
 * @param {Uint8Array} mask
 * @param {readonly [number, number] | null} spacing
 * @param {readonly number[]} [begun] Segments that are told although nothing is painted yet.
 * @returns {readonly import("./types").Lesion[]}
 */
export function lesionsIn(mask, spacing, begun = []) {
  const areas = areasOf(mask);
  const segments = [...new Set([...areas.keys(), ...begun])].sort((a, b) => a - b);
  return Object.freeze(segments.map((segment) => {
    const areaPx = areas.get(segment) ?? 0;
    return Object.freeze({ segment, areaPx, areaMm2: spacing ? areaPx * spacing[0] * spacing[1] : null });
  }));
}

/**
 * @param {Answer} one
 * @param {Answer} other
 */
function areSameAnswers(one, other) {
  return one.pathology === other.pathology && one.birads === other.birads && one.noLesion === other.noLesion;
}

/**
 * @param {Work} work
 * @returns {Uint8Array}
 */
export function blank({ image }) {
  return new Uint8Array(image.rows * image.columns);
}
