// @ts-check
// States of a review that the panel has to draw, by name.

/** @typedef {import("../../../apps/ohif/review/types.js").ReviewState} ReviewState */
/** @typedef {import("../../../apps/ohif/review/types.js").Training} Training */
/** @typedef {import("../../../apps/ohif/review/types.js").Revision} Revision */

/** @type {Training} */
const IDLE = { state: "idle", epoch: 0, epochs: 0, share: null, message: "" };

const IMAGE = {
  imageId: "1.2.826.0.1.3680043.10.1451.100.1.1",
  study: "1.2.826.0.1.3680043.10.1451.100",
  series: "1.2.826.0.1.3680043.10.1451.100.1",
  sop: "1.2.826.0.1.3680043.10.1451.100.1.1",
  frame: null,
  rows: 480,
  columns: 640,
  spacing: /** @type {const} */ ([0.07, 0.07]),
};

const PREDICTION = {
  pathology: /** @type {const} */ ("malignant"),
  probabilities: { normal: 0.04, benign: 0.14, malignant: 0.82 },
  uncertainty: 0.11,
  pathologyUncertainty: 0.51,
  lesions: 1,
  models: { segmentation: "segmentation-20261120T164234-1c773e90", classification: "classification-20261120T170029-6e6bcc57" },
  explanation: { available: true, reason: null },
};

const LESION = { segment: 1, areaPx: 12345, areaMm2: 60.5, colour: "rgb(221, 84, 84)" };

/** @type {Revision} */
const EARLIER = {
  annotation: 41,
  image: IMAGE.imageId,
  revision: 2,
  reader: "reader-1",
  state: "submitted",
  pathology: "benign",
  birads: "3",
  hasMask: true,
  created: "2026-11-20T13:05:00+00:00",
};

/** @type {ReviewState} */
const PREDICTED = {
  server: "ready",
  image: IMAGE,
  stage: "predicted",
  message: null,
  prediction: PREDICTION,
  answer: { pathology: "malignant", birads: null, noLesion: false },
  lesions: [LESION],
  activeLesion: 1,
  dirty: false,
  canUndo: false,
  canRedo: false,
  conflict: null,
  earlier: null,
  skipped: null,
  elsewhere: 0,
  explanationShown: false,
  frames: null,
  strategies: [
    { name: "first", description: "The image that waits longest." },
    { name: "random", description: "Any image, drawn at random." },
    { name: "uncertain_outline", description: "Where the outline is least sure, so that an answer teaches most." },
  ],
  strategy: "uncertain_outline",
  reason: "Of 40 images looked at, the outline of this one is least sure.",
  progress: { completed: 312, total: 1247 },
  training: { segmentation: IDLE, classification: IDLE },
  models: {
    segmentation: { id: PREDICTION.models.segmentation, published: "2026-11-20T16:42:34+00:00" },
    classification: { id: PREDICTION.models.classification, published: "2026-11-20T17:00:29+00:00" },
  },
  reader: "reader-1",
  readerMayChange: true,
  mayTrain: true,
  tool: "windowLevel",
  brushSize: 13,
  threshold: [20, 90],
  leaving: false,
  busy: [],
};

/** @type {ReviewState} */
const EDITING = {
  ...PREDICTED,
  stage: "editing",
  dirty: true,
  canUndo: true,
  tool: "brush",
  answer: { pathology: "malignant", birads: "4C", noLesion: false },
  lesions: [LESION, { segment: 2, areaPx: 812, areaMm2: 3.98, colour: "rgb(95, 208, 120)" }],
  activeLesion: 2,
};

const EMPTY = { prediction: null, lesions: [], activeLesion: null, answer: { pathology: null, birads: null, noLesion: false } };

const CURVE = /** @type {[number, number][]} */ (
  Array.from({ length: 24 }, (_, i) => [i + 1, 0.83 - 0.5 * Math.exp(-i / 5) + 0.012 * Math.sin(i * 2.1)])
);

const LONG = "Dr <b>Marsh</b> <img src=x onerror=alert(1)>";

/** @type {Record<string, ReviewState>} */
export const STATES = {
  connecting: { ...PREDICTED, ...EMPTY, server: "connecting", image: null, stage: "none", strategies: [], strategy: null, reason: null, progress: { completed: 0, total: 0 }, models: {}, reader: "" },
  none: { ...PREDICTED, ...EMPTY, image: null, stage: "none", reason: null },
  loading: { ...PREDICTED, ...EMPTY, stage: "loading", busy: ["predict"] },
  predicted: PREDICTED,
  unsure: {
    ...PREDICTED,
    image: { ...IMAGE, spacing: null },
    prediction: { ...PREDICTION, probabilities: { normal: 0.24, benign: 0.35, malignant: 0.41 }, uncertainty: 0.46, pathologyUncertainty: 0.98, explanation: { available: false, reason: "the last layers of this classifier are not average pooling with linear ones" } },
    lesions: [{ ...LESION, areaMm2: null }],
  },
  explained: { ...PREDICTED, explanationShown: true },
  nothing_found: { ...PREDICTED, prediction: { ...PREDICTION, pathology: "normal", probabilities: { normal: 0.91, benign: 0.07, malignant: 0.02 }, lesions: 0, uncertainty: 0.06, pathologyUncertainty: 0.29 }, lesions: [], activeLesion: null, answer: { pathology: "normal", birads: null, noLesion: true } },
  unclassified: { ...PREDICTED, prediction: { ...PREDICTION, pathology: null, probabilities: {}, uncertainty: null, pathologyUncertainty: null, explanation: { available: false, reason: null } }, answer: { pathology: null, birads: null, noLesion: false }, models: { segmentation: PREDICTED.models.segmentation } },
  earlier: { ...PREDICTED, stage: "earlier", earlier: EARLIER, answer: { pathology: "benign", birads: "3", noLesion: false }, reason: null },
  editing: EDITING,
  threshold: { ...EDITING, tool: "threshold" },
  contradictory: { ...EDITING, answer: { pathology: "benign", birads: "5", noLesion: false }, lesions: [LESION, { segment: 2, areaPx: 0, areaMm2: 0 }] },
  draft: { ...PREDICTED, stage: "earlier", earlier: { ...EARLIER, state: "draft" }, answer: { pathology: "benign", birads: null, noLesion: false } },
  skipped: { ...PREDICTED, stage: "skipped", answer: { pathology: null, birads: null, noLesion: false }, skipped: { kind: "not_assessable", reason: "Poor image quality", created: EARLIER.created } },
  elsewhere: { ...PREDICTED, elsewhere: 2 },
  saving: { ...EDITING, stage: "saving", busy: ["submit"] },
  saved: { ...EDITING, stage: "saved", dirty: false, message: { kind: "info", text: "Submitted as revision 3." } },
  error: { ...EDITING, message: { kind: "error", text: "the label does not fit its image: 640 x 479, the image has 640 x 480 pixels" } },
  down: { ...EDITING, server: "down", retryAt: null },
  login: { ...EDITING, server: "login" },
  conflict: {
    ...EDITING,
    conflict: {
      kept: { ...EARLIER, revision: 4, state: "conflicting", pathology: "malignant", birads: "4C", created: "2026-11-20T14:20:00+00:00" },
      current: { ...EARLIER, revision: 3, lesions: [{ segment: 1, areaPx: 9120, areaMm2: 44.7 }] },
    },
  },
  leaving: { ...EDITING, leaving: true },
  cine: { ...EDITING, image: { ...IMAGE, imageId: `${IMAGE.imageId}_f11`, frame: 11 }, frames: { total: 120, masks: [3, 11, 40], submitted: [3, 88] } },
  cine_full: { ...EDITING, image: { ...IMAGE, imageId: `${IMAGE.imageId}_f11`, frame: 11 }, frames: { total: 300, masks: Array.from({ length: 24 }, (_, i) => 3 + 8 * i), submitted: [3, 11, 19] } },
  training: {
    ...PREDICTED,
    training: {
      segmentation: { state: "running", epoch: 24, epochs: 60, share: 0.4, message: "", figure: "dice", best: 0.834, curve: CURVE, etaSeconds: 1260 },
      classification: { state: "waiting", epoch: 0, epochs: 0, share: null, message: "" },
    },
  },
  trained: {
    ...PREDICTED,
    training: {
      segmentation: { state: "done", epoch: 60, epochs: 60, share: 1, message: "published: Dice 0.861 against 0.842 on the locked patients", figure: "dice", best: 0.869, curve: CURVE },
      classification: { state: "failed", epoch: 0, epochs: 40, share: null, message: "too few labels: 3 patients, at least 4 are needed" },
    },
    models: { ...PREDICTED.models, segmentation: { id: "segmentation-20261120T190101-77aa01be", published: "2026-11-20T19:01:01+00:00" } },
  },
  account: { ...PREDICTED, readerMayChange: false, reader: "reader-with-an-account-name-of-some-length" },
  markup: {
    ...EDITING,
    reader: LONG,
    readerMayChange: false,
    message: { kind: "error", text: LONG },
    reason: LONG,
    strategies: [{ name: LONG, description: LONG }],
    strategy: LONG,
    prediction: { ...PREDICTION, probabilities: { [LONG]: 0.5, benign: 0.5 }, explanation: { available: false, reason: LONG } },
    models: { segmentation: { id: LONG, published: null } },
    training: { segmentation: { ...IDLE, state: "failed", message: LONG }, classification: IDLE },
  },
};
