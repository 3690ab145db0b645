// @ts-check

import { IDLE, NAMELESS } from "./board.js";
import { UNANSWERED } from "./work.js";

/** @typedef {import("./types").ReviewState} ReviewState */

/**
 * Before anything is known.
 * @type {ReviewState} */
export const AT_FIRST = Object.freeze({
  server: "connecting", image: null, stage: "none", message: null, prediction: null, answer: UNANSWERED,
  lesions: Object.freeze([]), activeLesion: null, dirty: false, canUndo: false, canRedo: false, conflict: null,
  earlier: null, skipped: null, elsewhere: 0, explanationShown: false, frames: null, strategies: Object.freeze([]), strategy: null, reason: null,
  progress: Object.freeze({ completed: 0, total: 0 }),
  training: Object.freeze({ segmentation: IDLE, classification: IDLE }),
  models: Object.freeze({}), reader: NAMELESS, readerMayChange: true, mayTrain: true, tool: "windowLevel", brushSize: 10,
  threshold: Object.freeze(/** @type {const} */ ([0, 80])), leaving: false, busy: Object.freeze([]),
});
