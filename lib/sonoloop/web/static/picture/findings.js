// @ts-check
// What the server says of one picture: asked for here, and put in words.

import { ask, h, percent } from "../dom.js";
import { outlineOf } from "./drawing.js";

/**
 * @param {string} query Names the picture: `image=...` or `session_id=...`.
 * @param {{measurements?: boolean, signal?: AbortSignal}} [how]
 * @returns {Promise<{params: any, outline: import("./drawing.js").Outline}>}
 * @throws {Error} With the server's sentence.
 */
export async function findingsOf(query, { measurements = false, signal } = {}) {
  const form = new FormData();
  const wanted = { result_extension: ".png", result_dtype: "uint8", measurements };
  form.set("params", JSON.stringify(wanted));
  const answer = await ask(`infer/lesion?${query}`, { method: "POST", body: form, signal });
  const parts = await answer.formData();
  const params = JSON.parse(/** @type {string} */ (parts.get("params")));
  return { params, outline: await outlineOf(/** @type {Blob} */ (parts.get("image"))) };
}

/**
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @returns {Promise<ImageBitmap>}
 * @throws {Error} With the server's sentence.
 */
export const pictureOf = async (path, signal) =>
  createImageBitmap(await (await ask(path, { signal })).blob());

/**
 * @param {File} file
 * @param {number} expiry Seconds the server keeps it untouched.
 * @returns {Promise<{session_id: string, session_info: any}>}
 * @throws {Error} With the server's sentence.
 */
export async function sent(file, expiry) {
  const form = new FormData();
  form.append("files", file, file.name);
  return (await ask(`session/?expiry=${expiry}`, { method: "PUT", body: form })).json();
}

/**
 * @param {HTMLElement} list
 * @param {Array<[string, import("../dom.js").Content]>} pairs
 */
export function describe(list, pairs) {
  list.replaceChildren(...pairs.flatMap(([term, text]) => [h("dt", {}, term), h("dd", {}, text)]));
}

/**
 * A bar for the probability of each pathology.
 * @param {any} params
 * @returns {HTMLElement[]}
 */
export function bars(params) {
  return Object.entries(params.probabilities).map(([pathology, probability]) => {
    const row = h("div", { class: `bar ${pathology}` });
    row.classList.toggle("most", pathology === params.pathology);
    const bar = /** @type {HTMLProgressElement} */ (h("progress"));
    bar.value = Number(probability);
    bar.setAttribute("aria-label", pathology);
    row.append(h("span", {}, pathology), bar, h("output", {}, percent(Number(probability))));
    return row;
  });
}

/**
 * @param {string} name
 * @param {any} params
 * @returns {string} What a picture shows, for those who do not see it.
 */
export function inWords(name, params) {
  const count = params.lesions.length;
  const lesions = count === 1 ? "1 lesion outlined" : `${count || "no"} lesions outlined`;
  const likely = percent(params.probabilities[params.pathology]);
  return `Ultrasound image ${name}: ${lesions}, ${params.pathology} ${likely}`;
}
