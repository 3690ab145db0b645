// @ts-check
// What the server says of an image, as the review knows it; and what the review says of it, as the server takes it.

/** @typedef {import("./types").Prediction} Prediction */
/** @typedef {import("./types").Revision} Revision */
/** @typedef {import("./types").Answer} Answer */
/** @typedef {import("./work.js").Work} Work */

/** More the server does not believe. */
const DAY_S = 86_400;

/**
 * @param {Record<string, any>} params What comes with the AI's mask.
 * @returns {Prediction}
 */
export function predictionOf(params) {
  return Object.freeze({
    pathology: params.pathology ?? null,
    probabilities: Object.freeze({ ...params.probabilities }),
    uncertainty: params.uncertainty ?? null,
    pathologyUncertainty: params.pathology_uncertainty ?? null,
    lesions: (params.lesions ?? []).length,
    models: Object.freeze({ ...params.models }),
    explanation: Object.freeze({
      available: params.explanation?.available === true,
      reason: params.explanation?.reason ?? null,
    }),
  });
}

/**
 * @param {Record<string, any>} told
 * @returns {Revision}
 */
export function revisionOf(told) {
  return Object.freeze({
    annotation: told.annotation,
    image: told.image,
    revision: told.revision,
    reader: told.reader,
    state: told.state,
    pathology: told.pathology ?? null,
    birads: told.birads ?? null,
    hasMask: told.has_mask === true,
    created: told.created,
  });
}

/**
 * @param {readonly any[]} revisions Of an image, oldest first.
 * @param {string} reader
 * @returns {Revision | null} The reader's newest word, a draft too: the next one has to be made from it.
 */
export function newestOf(revisions, reader) {
  const own = revisions.filter((one) =>
    one.tag === "final" && one.reader === reader && one.state !== "conflicting" && !one.withdrawn && !one.adjudicates);
  const newest = own.sort((a, b) => a.revision - b.revision).at(-1);
  return newest ? revisionOf(newest) : null;
}

/**
 * @param {readonly any[]} skips Of an image.
 * @param {string} reader
 * @param {Revision | null} earlier His newest revision.
 * @returns {import("./types").Skip | null} His last word, if that was a skip.
 */
export function lastSkipOf(skips, reader, earlier) {
  const own = skips.filter((one) => one.reader === reader && !one.withdrawn).sort((a, b) => Date.parse(a.created) - Date.parse(b.created));
  const newest = own.at(-1);
  const isLast = newest && (!earlier || Date.parse(newest.created) > Date.parse(earlier.created));
  return isLast ? skipOf(newest) : null;
}

/**
 * @param {Record<string, any>} told
 * @returns {import("./types").Skip}
 */
export const skipOf = ({ kind, reason, created }) => Object.freeze({ kind, reason, created });

/**
 * @param {Revision} one
 * @param {Pick<Revision, "pathology" | "birads" | "hasMask">} other
 */
export const saySame = (one, other) => one.pathology === other.pathology && one.birads === other.birads && one.hasMask === other.hasMask;

/**
 * @param {Revision} revision
 * @returns {Answer}
 */
export function answerOf({ pathology, birads }) {
  return Object.freeze({ pathology, birads, noLesion: pathology === "normal" });
}

/**
 * @param {Work} work
 * @returns {string | null} Why the answer cannot be submitted yet.
 */
export function missingIn({ answer, marked }) {
  if (answer.pathology === null) return "Choose benign or malignant first, or say that there is no lesion.";
  if (answer.pathology === "normal" && marked) return "No lesion contradicts the mask: erase it, or choose benign or malignant.";
  if (answer.pathology !== "normal" && !marked) return "Outline the lesion first, or say that there is no lesion.";
  return null;
}

/**
 * @param {Work} work
 * @param {{ reader: string, state: "submitted" | "draft" }} told
 * @returns {Record<string, unknown>} `params` of PUT /datastore/label.
 */
export function paramsOf(work, { reader, state }) {
  const { answer, lesions } = work;
  const names = lesions.map(({ segment }) => ({ name: `lesion ${segment}`, idx: segment }));
  return {
    reader,
    state,
    base_revision: work.base,
    seconds_spent: Math.min(work.stopwatch.seconds, DAY_S),
    ...(names.length ? { label_info: names } : {}),
    ...(answer.pathology ? { pathology: answer.pathology } : {}),
    ...(answer.birads ? { birads: answer.birads } : {}),
    ...(work.prediction?.models.segmentation ? { source_model: work.prediction.models.segmentation } : {}),
  };
}
