// @ts-check
// One image: what the server would say of it, and how to connect. Nothing is kept or handed out.

import { ask, at, say } from "./dom.js";
import { listen } from "./dashboard/stream.js";
import { showConnection, showState } from "./dashboard/state.js";
import { draw } from "./picture/drawing.js";
import { bars, describe, findingsOf, inWords, pictureOf, sent } from "./picture/findings.js";

/**
 * What is shown: the picture, its outline and whether that is drawn.
 * @type {{picture: ImageBitmap | null, outline: import("./picture/drawing.js").Outline | null, drawn: boolean,
 *   request: number}}
 */
const shown = { picture: null, outline: null, drawn: true, request: 0 };

// --- how the server is -----------------------------------------------------------------------

/** @param {any} board What the server tells. */
function showServer({ server, models }) {
  showState(server);
  const serving = (/** @type {string} */ task) =>
    models[task]?.versions.find((/** @type {any} */ version) => version.serving)?.model_id ?? "none yet";
  describe(at("models"), [
    ["Outline", serving("segmentation")],
    ["Pathology", serving("classification")],
  ]);
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
  const picture = await pictureOf(picturePath);
  const { params, outline } = await findingsOf(which);
  if (request !== shown.request) return; // another image was asked for meanwhile
  Object.assign(shown, { picture, outline });
  at("message").hidden = true;
  showFindings(params, name, picture);
  redraw();
}

function redraw() {
  if (shown.picture) draw(at("canvas"), shown.picture, shown.drawn ? shown.outline : null);
}

/**
 * @param {any} params
 * @param {string} name
 * @param {ImageBitmap} picture
 */
function showFindings(params, name, picture) {
  at("bars").replaceChildren(...bars(params));
  const sizes = params.lesions.map((/** @type {any} */ lesion) =>
    lesion.area_mm2 === null ? `${lesion.area_px} px` : `${lesion.area_mm2.toFixed(1)} mm²`,
  );
  describe(at("facts"), [
    ["Image", name],
    ["Size", `${picture.width} x ${picture.height} px`],
    ["Lesions", sizes.length ? sizes.join(", ") : "none outlined"],
    ["Time", `${Math.round(1000 * params.seconds)} ms`],
    ...(params.flags.length
      ? [/** @type {[string, string]} */ (["Mind", params.flags.join(", ").replaceAll("_", " ")])]
      : []),
  ]);
  at("assessment").hidden = false;
  at("canvas").setAttribute("aria-label", inWords(name, params));
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
    const { session_id: id } = await sent(file, 600);
    await look(`session/${id}?image=true&format=png`, `session_id=${id}`, file.name);
    await ask(`session/${id}`, { method: "DELETE" });
  } catch (error) {
    instead(error instanceof Error ? error.message : String(error));
  }
}

// --- controls --------------------------------------------------------------------------------

function toggleOutline() {
  shown.drawn = !shown.drawn;
  at("toggle").setAttribute("aria-pressed", String(shown.drawn));
  redraw();
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
