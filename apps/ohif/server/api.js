// @ts-check
// The server's routes that a review needs; docs/rest.md tells them.

import { UnreadableError } from "./errors.js";
import { Http } from "./http.js";
import { readNrrd, writeNrrd } from "./nrrd.js";

/** @typedef {import("../review/types").Task} Task */
/** @typedef {import("../review/types").SkipKind} SkipKind */
/** @typedef {import("./nrrd.js").Plane} Plane */

/**
 * @typedef {object} Inference
 * @property {Plane} mask 1 on lesions.
 * @property {Record<string, any>} params What the server tells beside the mask.
 */

/**
 * @typedef {object} Label
 * @property {Plane | null} mask Null says, with the pathology `normal`, that there is no lesion.
 * @property {Record<string, unknown>} params
 */

const INFER_MS = 120_000; // the first one may wait until the models are loaded
const SAVE_MS = 60_000;
const TRAIN_MS = 60_000;
const MODEL = "lesion";

export class Api {
  /** @param {Http} [http] */
  constructor(http = new Http()) {
    this.http = http;
  }

  /** @returns {Promise<Record<string, any>>} */
  async info() {
    return json(await this.http.ask("info/"));
  }

  /** @returns {Promise<{ accounts: boolean, name: string | null, role: string | null }>} */
  async me() {
    return json(await this.http.ask("auth/me"));
  }

  /**
   * The AI's mask and what it thinks of the lesion.
   * @param {string} imageId
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<Inference>}
   */
  async infer(imageId, { signal } = {}) {
    const form = new FormData();
    form.append("params", JSON.stringify({ result_extension: ".nrrd", result_dtype: "uint8", result_compress: true }));
    const query = { image: imageId, output: "all" };
    const answer = await this.http.insist(`infer/${MODEL}`, { method: "POST", query, form, signal, timeoutMs: INFER_MS });
    const parts = await answer.formData();
    const [params, file] = [parts.get("params"), parts.get("image")];
    if (params === null || !(file instanceof Blob)) throw new UnreadableError("the answer of the model holds no mask");
    const told = typeof params === "string" ? params : await params.text();
    return { params: JSON.parse(told), mask: await readNrrd(await file.arrayBuffer()) };
  }

  /**
   * Everything that was said of an image.
   * @param {string} imageId
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<{ revisions: any[], skips: any[] }>}
   */
  async revisions(imageId, { signal } = {}) {
    return json(await this.http.insist("sonoloop/revisions", { query: { image: imageId }, signal }));
  }

  /**
   * @param {string} imageId
   * @param {number} revision
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<Plane>}
   */
  async revisionMask(imageId, revision, { signal } = {}) {
    const query = { image: imageId, revision, format: "nrrd" };
    const answer = await this.http.insist("sonoloop/revisions/mask", { query, signal });
    return readNrrd(await answer.arrayBuffer());
  }

  /**
   * @param {string} imageId
   * @returns {Promise<Record<string, any>>}
   */
  async imageInfo(imageId) {
    return json(await this.http.ask("datastore/image/info", { query: { image: imageId } }));
  }

  /**
   * Keeps an answer. Not tried again by itself: whether a lost answer was kept can only be told by asking.
   * @param {string} imageId
   * @param {Label} label
   * @returns {Promise<{ revision: number, state: string, pathology: string | null, annotation: number }>}
   * @throws {import("./errors.js").StaleRevisionError}
   */
  async saveLabel(imageId, { mask, params }) {
    const form = new FormData();
    form.append("params", JSON.stringify(params));
    if (mask) form.append("label", new Blob([/** @type {BlobPart} */ (writeNrrd(mask))]), "label.nrrd");
    const query = { image: imageId, tag: "final" };
    return json(await this.http.ask("datastore/label", { method: "PUT", query, form, timeoutMs: SAVE_MS }));
  }

  /**
   * The next image that waits for a reader; null when none does.
   * @param {string} strategy
   * @param {string} reader
   * @returns {Promise<Record<string, any> | null>}
   */
  async next(strategy, reader) {
    const request = { method: /** @type {const} */ ("POST"), json: { reader, in_archive: true } };
    const sample = await json(await this.http.insist(`activelearning/${encodeURIComponent(strategy)}`, request));
    return sample.id ? sample : null;
  }

  /**
   * Keeps an image from other readers while this one works on it.
   * @param {string} image
   * @param {string} reader
   */
  async lend(image, reader) {
    return json(await this.http.ask("sonoloop/leases", { method: "POST", json: { image, reader } }));
  }

  /**
   * @param {string} image
   * @param {string} reader
   * @param {SkipKind} kind
   * @param {string} reason
   */
  async skip(image, reader, kind, reason) {
    return json(await this.http.ask("sonoloop/skips", { method: "POST", json: { image, reader, kind, reason } }));
  }

  /** @param {Task} task */
  async train(task) {
    return json(await this.http.ask(`train/${task}`, { method: "POST", json: {}, timeoutMs: TRAIN_MS }));
  }

  async stopTraining() {
    return json(await this.http.ask("train/", { method: "DELETE" }));
  }

  /**
   * What in the image spoke for the diagnosis, as a picture on the image's own grid.
   * @param {string} imageId
   * @param {{ signal?: AbortSignal, pathology?: string | null }} [options]
   * @returns {Promise<Blob>}
   */
  async explanation(imageId, { signal, pathology } = {}) {
    const query = { image: imageId, form: "overlay", pathology };
    return (await this.http.insist("sonoloop/explanation", { query, signal, timeoutMs: INFER_MS })).blob();
  }
}

/**
 * @param {Response} response
 * @returns {Promise<any>}
 */
async function json(response) {
  try {
    return await response.json();
  } catch (cause) {
    throw new UnreadableError("the server's answer is no JSON", { status: response.status, cause });
  }
}
