// @ts-check
// One image: what the server would say of it, and how to connect. Nothing is kept or handed out.

import { ask, at, h, percent, say } from "./dom.js";
import { listen } from "./dashboard/stream.js";
import { stateOf } from "./dashboard/state.js";

const TINT = [255, 143, 107];

/**
 * What is shown: the picture, its mask (1 on the lesion) and whether the mask is drawn.
 * @type {{picture: ImageBitmap | null, mask: ImageData | null, outline: boolean, request: number}}
 */
const shown = { picture: null, mask: null, outline: true, request: 0 };

/**
 * @param {HTMLElement} list
 * @param {string[][]} pairs
 */
function describe(list, pairs) {
  list.replaceChildren(...pairs.flatMap(([term, text]) => [h("dt", {}, term), h("dd", {}, text)]));
}

// --- how the server is -----------------------------------------------------------------------

/** @param {any} board What the server tells. */
function showServer({ server, models }) {
  const { text, kind } = stateOf(server);
  say(at("state"), text);
  at("state").className = `state ${kind}`;
  say(at("version"), server.version);
  const serving = (/** @type {string} */ task) =>
    models[task]?.versions.find((/** @type {any} */ version) => version.serving)?.model_id ?? "none yet";
  describe(at("models"), [
    ["Outline", serving("segmentation")],
    ["Pathology", serving("classification")],
  ]);
}

/** @param {boolean} answers */
function showConnection(answers) {
  if (answers) return;
  say(at("state"), "server does not answer");
  at("state").className = "state bad";
}

// --- one image -------------------------------------------------------------------------------

/** @param {string} text Shown in place of an image. */
function instead(text) {
  say(at("message"), text);
  at("message").hidden = false;
  at("canvas").hidden = true;
  at("assessment").hidden = true;
}

/**
 * Fetches a picture and what the server says of it, and shows both.
 * @param {string} picturePath
 * @param {string} which Query of the inference, naming the same picture.
 * @param {string} name
 */
async function look(picturePath, which, name) {
  const request = ++shown.request;
  instead("Analysing");
  const picture = await createImageBitmap(await (await ask(picturePath)).blob());
  const form = new FormData();
  form.set("params", JSON.stringify({ result_extension: ".png", result_dtype: "uint8" }));
  const answer = await ask(`infer/lesion?${which}`, { method: "POST", body: form });
  const parts = await answer.formData();
  const params = JSON.parse(/** @type {string} */ (parts.get("params")));
  const mask = await maskOf(/** @type {Blob} */ (parts.get("image")));
  if (request !== shown.request) return; // another image was asked for meanwhile
  Object.assign(shown, { picture, mask });
  at("message").hidden = true;
  showFindings(params, name, picture);
  draw();
}

/**
 * @param {Blob} file Label map as PNG, 1 on the lesion.
 * @returns {Promise<ImageData>}
 */
async function maskOf(file) {
  /** @type {ImageBitmapOptions} */
  const plain = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const bitmap = await createImageBitmap(new Blob([file], { type: "image/png" }), plain);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

function draw() {
  const canvas = at("canvas");
  const { picture, mask } = shown;
  if (!picture || !mask) return;
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.hidden = false;
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  if (!shown.outline) return;
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  const inside = (/** @type {number} */ x, /** @type {number} */ y) =>
    x >= 0 && x < mask.width && mask.data[4 * (y * mask.width + x)] > 0;
  for (let y = 0; y < mask.height; y += 1) {
    for (let x = 0; x < mask.width; x += 1) {
      if (!inside(x, y)) continue;
      const edge = !(inside(x - 1, y) && inside(x + 1, y) && inside(x, y - 1) && inside(x, y + 1));
      const weight = edge ? 1 : 0.22;
      const start = 4 * (y * mask.width + x);
      TINT.forEach((value, channel) => {
        const before = pixels.data[start + channel];
        pixels.data[start + channel] = before + weight * (value - before);
      });
    }
  }
  context.putImageData(pixels, 0, 0);
}

/**
 * @param {any} params
 * @param {string} name
 * @param {ImageBitmap} picture
 */
function showFindings(params, name, picture) {
  const rows = Object.entries(params.probabilities).map(([pathology, probability]) => {
    const row = h("div", { class: `bar ${pathology}` });
    row.classList.toggle("most", pathology === params.pathology);
    const bar = /** @type {HTMLProgressElement} */ (h("progress"));
    bar.value = Number(probability);
    bar.setAttribute("aria-label", pathology);
    row.append(h("span", {}, pathology), bar, h("output", {}, percent(Number(probability))));
    return row;
  });
  at("bars").replaceChildren(...rows);
  const sizes = params.lesions.map((/** @type {any} */ lesion) =>
    lesion.area_mm2 === null ? `${lesion.area_px} px` : `${lesion.area_mm2.toFixed(1)} mm²`,
  );
  describe(at("facts"), [
    ["Image", name],
    ["Size", `${picture.width} x ${picture.height} px`],
    ["Lesions", sizes.length ? sizes.join(", ") : "none outlined"],
    ["Time", `${Math.round(1000 * params.seconds)} ms`],
    ...(params.flags.length ? [["Mind", params.flags.join(", ").replaceAll("_", " ")]] : []),
  ]);
  at("assessment").hidden = false;
  const likely = percent(params.probabilities[params.pathology]);
  at("canvas").setAttribute(
    "aria-label",
    `Ultrasound image ${name}: ${sizes.length} lesions outlined, ${params.pathology} ${likely}`,
  );
}

async function anyImage() {
  try {
    const { id } = await (await ask("sonoloop/board/image")).json();
    say(at("next-title"), "An image without a label");
    if (!id) {
      shown.request += 1;
      instead("Every image is labelled");
      return;
    }
    const image = `image=${encodeURIComponent(id)}`;
    await look(`datastore/image?${image}&format=png`, image, id);
  } catch (error) {
    instead(error instanceof Error ? error.message : String(error));
  }
}

/** @param {File} file */
async function openFile(file) {
  try {
    say(at("next-title"), "Your image");
    instead("Sending");
    const form = new FormData();
    form.append("files", file, file.name);
    const reply = await ask("session/?expiry=600", { method: "PUT", body: form });
    const { session_id: id } = await reply.json();
    await look(`session/${id}?image=true&format=png`, `session_id=${id}`, file.name);
    await ask(`session/${id}`, { method: "DELETE" });
  } catch (error) {
    instead(error instanceof Error ? error.message : String(error));
  }
}

// --- controls --------------------------------------------------------------------------------

function toggleOutline() {
  shown.outline = !shown.outline;
  at("toggle").setAttribute("aria-pressed", String(shown.outline));
  draw();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  /** @type {Record<string, () => void>} */
  const actions = { n: () => anyImage(), o: toggleOutline, f: () => at("file").click() };
  const action = actions[event.key.toLowerCase()];
  if (action) {
    event.preventDefault();
    action();
  }
}

/** @param {DragEvent} event */
function onDrop(event) {
  event.preventDefault();
  at("stage").classList.remove("over");
  const file = event.dataTransfer?.files[0];
  if (file) openFile(file);
}

at("another").addEventListener("click", () => anyImage());
at("toggle").addEventListener("click", toggleOutline);
at("file").addEventListener("change", () => {
  const file = at("file").files[0];
  if (file) openFile(file);
  at("file").value = "";
});
document.addEventListener("keydown", onKey);
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  at("stage").classList.add("over");
});
document.addEventListener("dragleave", () => at("stage").classList.remove("over"));
document.addEventListener("drop", onDrop);
for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(at(button.getAttribute("data-copy") ?? "").textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
}
const address = new URL(".", location.href).href.replace(/\/$/, "");
at("address").textContent = address;
at("python").textContent = `from monailabel.client import MONAILabelClient

client = MONAILabelClient("${address}", client_id="reader-1")
sample = client.next_sample("random", {})
mask, findings = client.infer("lesion", sample["id"], {"result_extension": ".png"})
client.save_label(sample["id"], mask, params={"pathology": findings["pathology"]})`;

listen("sonoloop/board/stream", { board: showServer }, showConnection);
anyImage();
