// @ts-check
// How numbers, states and instants are said.

/** @typedef {import("../review/types.js").ReviewState} ReviewState */
/** @typedef {import("../review/types.js").Birads} Birads */
/** @typedef {import("../review/types.js").Revision} Revision */
/** @typedef {import("../review/types.js").Pathology} Pathology */
/** @typedef {import("../review/types.js").Skip} Skip */

/** @type {readonly Pathology[]} */
export const PATHOLOGIES = ["normal", "benign", "malignant"];

/**
 * BI-RADS assessment categories and the likelihood of malignancy each stands for (ACR BI-RADS Atlas,
 * 5th edition, 2013).
 *
 * @type {Readonly<Record<Birads, string>>}
 */
export const BIRADS = {
  0: "Incomplete: needs further imaging",
  1: "Negative",
  2: "Benign",
  3: "Probably benign (up to 2 %)",
  4: "Suspicious (over 2 % to under 95 %)",
  "4A": "Low suspicion (over 2 to 10 %)",
  "4B": "Moderate suspicion (over 10 to 50 %)",
  "4C": "High suspicion (over 50 to under 95 %)",
  5: "Highly suggestive of malignancy (95 % and more)",
  6: "Malignancy known from biopsy",
};

/** In the order they are offered. @type {readonly Birads[]} */
export const CATEGORIES = ["0", "1", "2", "3", "4", "4A", "4B", "4C", "5", "6"];

/** @type {Readonly<Record<"segmentation" | "classification", string>>} */
export const TASKS = { segmentation: "Outline", classification: "Pathology" };

/** @param {number} share In [0, 1]. */
export const percent = (share) => `${Math.round(100 * share)} %`;

/** @param {number} value */
const grouped = (value) => Math.round(value).toLocaleString("en-GB");

/**
 * @param {{areaPx: number, areaMm2: number | null}} lesion
 * @returns {string} In square millimetres where the image is calibrated, else in pixels.
 */
export function area(lesion) {
  if (lesion.areaPx === 0) return "empty";
  if (lesion.areaMm2 === null) return `${grouped(lesion.areaPx)} px`;
  return `${lesion.areaMm2 < 100 ? lesion.areaMm2.toFixed(1) : grouped(lesion.areaMm2)} mm²`;
}

/**
 * @param {number} seconds
 * @returns {string} Such as "40 s", "12 min", "3 h 5 min".
 */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 90) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 90) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/**
 * @param {string | null} iso
 * @returns {string} Day and time where the reader is, such as "20 Nov, 14:05".
 */
export function moment(iso) {
  const instant = new Date(iso ?? "");
  if (Number.isNaN(instant.getTime())) return "–";
  return instant.toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export const counted = (count, one, many = `${one}s`) => `${grouped(count)} ${count === 1 ? one : many}`;

/**
 * @param {number | null} doubt In [0, 1].
 * @param {readonly [number, number]} bounds Where "moderate" and "high" begin.
 * @returns {{level: "low" | "moderate" | "high" | "none", text: string}}
 */
function doubtIn(doubt, bounds) {
  if (doubt === null) return { level: "none", text: "not told" };
  const level = doubt < bounds[0] ? "low" : doubt < bounds[1] ? "moderate" : "high";
  return { level, text: `${level} (${doubt.toFixed(2)})` };
}

/**
 * Doubt about the outline, an estimate of 1 - Dice. Where the words begin is a convention of this panel.
 *
 * @param {number | null} doubt
 */
export const outlineDoubt = (doubt) => doubtIn(doubt, [0.15, 0.3]);

/**
 * Doubt about the pathology, the entropy as a share of the largest. Of three classes 0.3 is 92 % for one
 * of them and 0.7 is 73 %, the rest shared evenly; the words are a convention of this panel.
 *
 * @param {number | null} doubt
 */
export const pathologyDoubt = (doubt) => doubtIn(doubt, [0.3, 0.7]);

/**
 * @param {string} id
 * @param {number} [length]
 * @returns {string} Its end, of which UIDs tell most.
 */
export const shortened = (id, length = 22) => (id.length <= length ? id : `…${id.slice(1 - length)}`);

/**
 * @param {string} id Of a model, such as segmentation-20261120T164234-1c773e90.
 * @returns {string} What tells it from others: the fingerprint it ends with.
 */
export const modelName = (id) => /^\w+-\d{8}T\d{6}-([0-9a-f]{8})$/.exec(id)?.[1] ?? shortened(id);

/**
 * @param {Pathology | null} pathology
 * @param {Birads | null} birads
 */
export function assessment(pathology, birads) {
  const parts = [pathology ?? "no pathology"];
  if (birads !== null) parts.push(`BI-RADS ${birads}`);
  return parts.join(", ");
}

/**
 * @param {Revision} revision
 * @returns {string} Such as "benign, BI-RADS 3, with an outline".
 */
export const revisionSummary = (revision) =>
  `${assessment(revision.pathology, revision.birads)}, ${revision.hasMask ? "with an outline" : "no outline"}`;

/** @type {Readonly<Record<Revision["state"], string>>} */
export const REVISION_STATES = {
  draft: "draft",
  submitted: "submitted",
  accepted: "accepted",
  rejected: "rejected",
  conflicting: "kept aside",
};

/**
 * @param {ReviewState} state
 * @returns {{kind: string, text: string}} Of the sign in the header.
 */
export function serverSign(state) {
  return {
    connecting: { kind: "wait", text: "connecting" },
    ready: { kind: "good", text: "connected" },
    down: { kind: "bad", text: "offline" },
    login: { kind: "bad", text: "login needed" },
  }[state.server];
}

/**
 * @param {Skip | null} skip
 * @returns {string} What the reader said instead of an answer.
 */
function skipText(skip) {
  if (skip === null) return "Skipped";
  const told = skip.kind === "not_assessable" ? "You answered: not assessable" : "You skipped this image";
  return `${told} (${skip.reason}), ${moment(skip.created)}`;
}

/**
 * @param {ReviewState} state
 * @returns {string} Where the open image stands.
 */
export function stageText(state) {
  const { earlier } = state;
  const own = earlier ? `Your ${REVISION_STATES[earlier.state]} answer of ${moment(earlier.created)}` : "Your earlier answer";
  return {
    none: "No ultrasound image is open",
    loading: "The model looks at the image",
    predicted: "AI suggestion, not changed",
    earlier: own,
    skipped: skipText(state.skipped),
    editing: "Changed, not submitted",
    saving: "Saving",
    saved: "Submitted",
  }[state.stage];
}

/**
 * @param {number | null | undefined} retryAt Milliseconds since the epoch.
 * @param {number} now
 * @returns {string}
 */
export function retryText(retryAt, now) {
  if (retryAt === null || retryAt === undefined) return "It is tried again by itself.";
  const seconds = Math.ceil((retryAt - now) / 1000);
  return seconds > 0 ? `Next try in ${seconds} s.` : "Trying now.";
}
