// @ts-check
// What can be done in a state, and what looks odd about an answer.

/** @typedef {import("../review/types.js").ReviewState} ReviewState */

/** @typedef {"submit" | "accept" | "next" | "skip" | "predict" | "saveDraft" | "edit" | "undo" | "redo" | "explain" | "train"} Deed */

/**
 * @param {ReviewState} state
 * @param {string} action
 */
export const isBusy = (state, action) => state.busy.includes(action);

/**
 * @param {ReviewState} state
 * @param {Deed} deed
 * @returns {string | null} Why it cannot be done now, or null when it can.
 */
export function whyNot(state, deed) {
  if (deed !== "edit" && isBusy(state, deed)) return "it is on its way";
  if (state.stage === "saving" && deed !== "next" && deed !== "train") return "the answer is being saved";
  if (["submit", "accept", "next", "skip", "predict", "saveDraft", "explain", "train"].includes(deed)) {
    if (state.server === "connecting") return "the server has not answered yet";
    if (state.server === "down") return "the server does not answer";
    if (state.server === "login") return "nobody is logged in";
  }
  if (deed === "next") return null;
  if (deed === "train") return state.mayTrain ? null : "trainings are for the accounts of engineers";
  if (state.image === null || state.stage === "none") return "no image is open";
  if (deed === "skip") return null;
  if (state.stage === "loading") return "the model has not answered yet";
  return WHY[deed]?.(state) ?? null;
}

/** @type {Partial<Record<Deed, (state: ReviewState) => string | null>>} */
const WHY = {
  accept: (state) => {
    if (state.prediction === null) return "there is no suggestion of the AI";
    if (state.stage === "predicted" || state.stage === "skipped") return null;
    if (state.stage === "saved") return "it is submitted";
    return state.stage === "earlier" ? "your own answer is shown: change it and submit" : "the suggestion was changed: submit instead";
  },
  submit: (state) => (state.stage === "saved" && !state.dirty ? "it is submitted" : null),
  saveDraft: (state) => (state.dirty ? null : "nothing was changed"),
  undo: (state) => (state.canUndo ? null : "there is nothing to undo"),
  redo: (state) => (state.canRedo ? null : "there is nothing to redo"),
  explain: (state) => {
    const explanation = state.prediction?.explanation;
    if (!explanation) return "there is no suggestion of the AI";
    return explanation.available ? null : (explanation.reason ?? "the model offers no explanation");
  },
};

/**
 * Answers that contradict themselves are asked about, never refused: the reader has the last word.
 *
 * @param {ReviewState} state
 * @returns {string[]}
 */
export function hints(state) {
  const { answer, lesions, stage } = state;
  if (state.image === null || stage === "none" || stage === "loading" || stage === "skipped") return [];
  const outlined = lesions.some((lesion) => lesion.areaPx > 0);
  const found = [];
  if (answer.pathology === null) found.push("No pathology is chosen yet.");
  if (answer.pathology === "normal" && outlined) found.push("Normal, yet a lesion is outlined.");
  if (!outlined && (answer.pathology === "benign" || answer.pathology === "malignant")) {
    found.push(`Answered ${answer.pathology}, yet no lesion is outlined.`);
  }
  const { birads } = answer;
  if (answer.pathology === "malignant" && (birads === "1" || birads === "2" || birads === "3")) {
    found.push(`Malignant with BI-RADS ${birads}: is that meant?`);
  }
  if (answer.pathology !== "malignant" && answer.pathology !== null && (birads === "5" || birads === "6")) {
    found.push(`Answered ${answer.pathology} with BI-RADS ${birads}: is that meant?`);
  }
  const empty = lesions.filter((lesion) => lesion.areaPx === 0).map((lesion) => lesion.segment);
  if (empty.length > 0 && outlined) found.push(`Lesion ${empty.join(", ")} is empty.`);
  return found;
}

/**
 * @param {ReviewState} state
 * @returns {string | null} When another model serves than the one that made the suggestion.
 */
export function outdated(state) {
  if (state.prediction === null || state.stage !== "predicted") return null;
  for (const [task, model] of Object.entries(state.models)) {
    const told = state.prediction.models[task];
    if (told !== undefined && model !== undefined && told !== model.id) {
      return "A newer model answers since this suggestion was made.";
    }
  }
  return null;
}

const SHARES = { small: 0.01, medium: 0.02, large: 0.04, huge: 0.08 };

/**
 * @param {number} columns Of the image.
 * @returns {{name: string, radius: number}[]} Brushes in proportion to the image, radius in its pixels.
 */
export function brushPresets(columns) {
  return Object.entries(SHARES).map(([name, share]) => ({ name, radius: Math.max(1, Math.round(share * columns)) }));
}

/**
 * @param {number} columns
 * @returns {number} Radius of the largest brush, in pixels of the image.
 */
export const largestBrush = (columns) => Math.max(4, Math.round(0.12 * columns));

/** @typedef {{frame: number, isOpen: boolean, isSubmitted: boolean}} Mark */

/**
 * @param {ReviewState} state
 * @returns {{title: string, told: string, marks: Mark[]} | null} Of a cine.
 */
export function cine(state) {
  const { frames, image } = state;
  if (frames === null || image === null) return null;
  const here = image.frame ?? 0;
  const shown = [...new Set([...frames.masks, ...frames.submitted])].sort((a, b) => a - b);
  return {
    title: `Frame ${here + 1} of ${frames.total}`,
    told: `${frames.masks.length} looked at, ${frames.submitted.length} submitted`,
    marks: shown.map((frame) => ({ frame, isOpen: frame === here, isSubmitted: frames.submitted.includes(frame) })),
  };
}

/** @typedef {import("../review/types.js").Training} Training */

/**
 * @param {Training} training
 * @returns {{isActive: boolean, pill: string, kind: string}}
 */
export function trainingSign(training) {
  const isActive = ["waiting", "running", "measuring"].includes(training.state);
  const kind = { done: "good", failed: "bad", stopped: "wait" }[String(training.state)] ?? (isActive ? "live" : "quiet");
  return { isActive, pill: training.state, kind };
}
