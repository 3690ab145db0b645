// A review before a server that answers when a test lets it.

import { Review } from "../../../apps/ohif/review/review.js";
import { FakeViewer } from "./fake_viewer.js";

export const ROWS = 4;
export const COLUMNS = 6;

/** @param {string} name */
export function image(name, frame = null) {
  return Object.freeze({
    imageId: frame === null ? name : `${name}_f${frame}`,
    study: "1.2", series: "1.2.3", sop: name, frame, rows: ROWS, columns: COLUMNS, spacing: [0.1, 0.2],
  });
}

/** A mask of ROWS x COLUMNS with these pixels set. */
export function maskOf(...pixels) {
  const data = new Uint8Array(ROWS * COLUMNS);
  for (const pixel of pixels) data[pixel] = 1;
  return { rows: ROWS, columns: COLUMNS, data };
}

/** What the server tells beside a mask. */
export function paramsOf(pathology = "benign") {
  return {
    pathology, probabilities: { benign: 0.8, malignant: 0.2 }, uncertainty: 0.1, pathology_uncertainty: 0.4, lesions: [{}],
    models: { segmentation: "seg-1", classification: "cls-1" }, explanation: { available: true, reason: null },
  };
}

export function revision(told = {}) {
  return {
    annotation: 7, image: "a", tag: "final", revision: 1, reader: "annotator", state: "submitted", in_force: true,
    adjudicates: false, pathology: "malignant", birads: "5", has_mask: true, created: "2026-01-05T10:00:00+00:00",
    withdrawn: null, ...told,
  };
}

/** Answers at once unless a test says otherwise. */
export class FakeApi {
  constructor() {
    this.saved = [];
    this.asked = [];
    this.past = new Map();
    this.predictions = new Map();
    this.samples = [];
    this.skips = [];
    this.failing = new Map();
    this.revisionMasks = new Map();
  }

  #answer(name, value) {
    this.asked.push(name);
    const error = this.failing.get(name);
    return error ? Promise.reject(error) : Promise.resolve(value);
  }

  me() {
    return this.#answer("me", { accounts: false, name: null, role: null });
  }

  info() {
    return this.#answer("info", {
      strategies: { first: { description: "First" }, auto: { description: "Auto" } },
      datastore: { total: 9, completed: 2 }, sonoloop: { model_ids: { segmentation: "seg-1" } },
    });
  }

  infer(imageId) {
    const held = this.predictions.get(imageId);
    return held ?? this.#answer("infer", { mask: maskOf(8, 9), params: paramsOf() });
  }

  revisions(imageId) {
    return this.#answer("revisions", { revisions: this.past.get(imageId) ?? [], skips: this.skips });
  }

  revisionMask(imageId, number) {
    return this.#answer("revisionMask", this.revisionMasks.get(`${imageId}/${number}`) ?? maskOf(1));
  }

  saveLabel(imageId, label) {
    this.saved.push({ imageId, ...label });
    return this.#answer("saveLabel", { revision: 3, annotation: 11, state: label.params.state, pathology: label.params.pathology ?? null });
  }

  next(strategy, reader) {
    this.asked.push(`next ${strategy} ${reader}`);
    return Promise.resolve(this.samples.shift() ?? null);
  }

  lend() {
    return this.#answer("lend", {});
  }

  skip(image, reader, kind, reason) {
    return this.#answer("skip", { image, reader, kind, reason, created: "2026-01-06T11:00:00+00:00", withdrawn: null });
  }

  train(task) {
    return this.#answer("train", { status: "SUBMITTED", progress: {}, task });
  }

  stopTraining() {
    return this.#answer("stopTraining", null);
  }

  explanation() {
    return this.#answer("explanation", new Blob(["png"]));
  }
}

/** A promise that a test settles. */
export function held() {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}

export function storage() {
  const kept = new Map();
  return { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => void kept.set(name, value) };
}

/** Lets every promise that is settled do its work. */
export async function settled() {
  for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
}

/** A review with its parts; time stands still unless a test moves `at.ms`. */
export async function review({ api = new FakeApi(), viewer = new FakeViewer() } = {}) {
  const at = { ms: 0 };
  const desk = new Review({
    api, viewer, storage: storage(),
    now: () => (at.ms += 1000), // images are looked at, not leafed through
    wait: () => Promise.resolve(),
  });
  await desk.board.refresh();
  return { review: desk, api, viewer, at };
}
