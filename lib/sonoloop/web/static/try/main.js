// @ts-check
// An image of one's own: what the models say of it. Nothing of it is kept unless that is asked for.

import { at, counted, say } from "../dom.js";
import { showConnection, showState } from "../dashboard/state.js";
import { listen } from "../dashboard/stream.js";
import { draw, numbered } from "../picture/drawing.js";
import { findingsOf, inWords, pictureOf } from "../picture/findings.js";
import { hold, keep, letGo } from "./held.js";
import { sayFile, sayFindings, sayNothing } from "./said.js";

const PAUSE_MS = 150; // between two frames, so that a drag over a cine asks for few

/**
 * What is shown. `heat` is the explanation of this frame, once it was asked for.
 * @type {{held: import("./held.js").Held | null, frame: number, picture: ImageBitmap | null,
 *   outline: import("../picture/drawing.js").Outline | null, params: any, heat: ImageBitmap | null,
 *   drawn: boolean, explained: boolean, request: AbortController, again: () => void}}
 */
const shown = {
  held: null,
  frame: 0,
  picture: null,
  outline: null,
  params: null,
  heat: null,
  drawn: true,
  explained: false,
  request: new AbortController(),
  again: () => {},
};

// --- what goes wrong -------------------------------------------------------------------------

/**
 * @param {string} title
 * @param {unknown} error
 * @param {() => void} again What is tried again.
 */
function complain(title, error, again) {
  const { message, code } = /** @type {Error & {code?: string}} */ (error);
  const sentence = code && message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message;
  say(at("problem-title"), title);
  say(at("problem-text"), `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.`);
  at("problem").hidden = false;
  say(at("doing"), "");
  shown.again = again;
}

/** @returns {AbortSignal} Of a new request, in the place of the one before. */
function begin() {
  shown.request.abort();
  shown.request = new AbortController();
  at("problem").hidden = true;
  return shown.request.signal;
}

// --- the picture -----------------------------------------------------------------------------

function redraw() {
  const heat = shown.explained ? shown.heat : null;
  const picture = heat ?? shown.picture;
  if (!picture) return;
  at("invitation").hidden = true;
  const fill = heat ? 0 : Number(at("fill").value) / 100; // two tints cannot be told apart
  draw(at("canvas"), picture, shown.drawn ? shown.outline : null, fill);
  const lesions = shown.drawn ? (shown.params?.lesions ?? []) : [];
  if (lesions.length > 1) numbered(at("canvas"), lesions.map((/** @type {any} */ { box }) => box));
}

/** Shows no picture any more: that of another file must not stand beside this one's name. */
function clear() {
  Object.assign(shown, { held: null, frame: 0, picture: null, outline: null, params: null, heat: null });
  for (const id of ["canvas", "frames", "views", "keeping"]) at(id).hidden = true;
  at("private").hidden = false;
  at("invitation").hidden = false;
  at("facts").replaceChildren();
  at("mind").hidden = true;
  say(at("name"), "An image of your own");
  say(at("kept"), "");
  sayNothing("Nothing yet: no image is open.");
}

/** @param {File} file */
async function open(file) {
  const signal = begin();
  clear();
  say(at("doing"), `Sending ${file.name}`);
  try {
    const held = await hold(file);
    if (signal.aborted) return;
    shown.held = held;
    sayFile(held);
    at("frames").hidden = held.frames === 1;
    at("frame").max = String(held.frames);
    at("keeping").hidden = false;
    at("keep").disabled = false;
    await showFrame(0);
  } catch (error) {
    if (!signal.aborted) complain(`${file.name} cannot be shown.`, error, () => open(file));
  }
}

/** @param {number} frame From 0. */
async function showFrame(frame) {
  const { held } = shown;
  if (!held) return;
  const signal = begin();
  Object.assign(shown, { frame, outline: null, params: null, heat: null });
  at("frame").value = String(frame + 1);
  say(at("frame-told"), `${frame + 1} of ${held.frames}`);
  at("back").disabled = frame === 0;
  at("on").disabled = frame === held.frames - 1;
  const query = `session_id=${held.id}${frame ? `&frame=${frame}` : ""}`;
  try {
    say(at("doing"), "Analysing");
    shown.picture = await pictureOf(`session/${held.id}?image=true&format=png&frame=${frame}`, signal);
    at("canvas").setAttribute("aria-label", `Ultrasound image ${held.file.name}`);
    redraw();
    const { params, outline } = await findingsOf(query, { measurements: true, signal });
    if (signal.aborted) return;
    Object.assign(shown, { params, outline });
    sayFindings(params, held);
    at("canvas").setAttribute("aria-label", inWords(held.file.name, params));
    say(at("doing"), `Analysed in ${Math.round(1000 * params.seconds)} ms`);
    offerViews();
    await (shown.explained ? explain() : redraw());
  } catch (error) {
    if (signal.aborted) return;
    sayNothing("No findings for this picture.");
    complain("There are no findings.", error, () => again(frame));
  }
}

/**
 * The session may have ended meanwhile, so the file is sent anew.
 * @param {number} frame
 */
async function again(frame) {
  if (!shown.held) return;
  await open(shown.held.file);
  if (frame && shown.held) await showFrame(frame);
}

// --- controls --------------------------------------------------------------------------------

function offerViews() {
  at("views").hidden = false;
  const { available, reason } = shown.params.explanation;
  at("explain").disabled = !available;
  if (!available) shown.explained = false;
  at("explain").setAttribute("aria-pressed", String(shown.explained));
  say(at("explain-note"), available ? "" : `No Grad-CAM: ${reason}.`);
}

function toggleOutline() {
  shown.drawn = !shown.drawn;
  at("outline").setAttribute("aria-pressed", String(shown.drawn));
  at("fill").disabled = !shown.drawn;
  redraw();
}

async function toggleExplanation() {
  if (at("explain").disabled || !shown.params) return;
  shown.explained = !shown.explained;
  at("explain").setAttribute("aria-pressed", String(shown.explained));
  await explain();
}

/** Fetches the heat of this frame when it is wanted, and shows or hides it. */
async function explain() {
  const { params } = shown;
  const { signal } = shown.request;
  const note = `Warm is what spoke for ${params.pathology}; it is no outline and no proof. `;
  try {
    if (shown.explained && !shown.heat) {
      say(at("explain-note"), "Asking what spoke for it");
      shown.heat = await pictureOf(params.explanation.path, signal);
    }
    if (signal.aborted) return;
    say(at("explain-note"), shown.explained ? `${note}Frames are what the classifier saw.` : "");
    redraw();
  } catch (error) {
    if (signal.aborted) return;
    shown.explained = false;
    at("explain").setAttribute("aria-pressed", "false");
    say(at("explain-note"), `No Grad-CAM: ${/** @type {Error} */ (error).message}.`);
    redraw();
  }
}

async function keepIt() {
  const { held } = shown;
  if (!held) return;
  at("keep").disabled = true;
  say(at("kept"), "Adding it");
  try {
    const id = await keep(held);
    const which = held.frames > 1 ? `${counted(held.frames, "frame")}, the first as ` : "";
    at("private").hidden = true;
    say(at("kept"), `Kept: ${which}${id}. It waits for a label now; what the models say was not submitted.`);
  } catch (error) {
    at("keep").disabled = false;
    say(at("kept"), `Not kept: ${/** @type {Error} */ (error).message}`);
  }
}

let pause = 0;

/** @param {number} frame */
function goTo(frame) {
  const { held } = shown;
  if (!held) return;
  const within = Math.min(Math.max(frame, 0), held.frames - 1);
  at("frame").value = String(within + 1);
  say(at("frame-told"), `${within + 1} of ${held.frames}`);
  clearTimeout(pause);
  pause = window.setTimeout(() => showFrame(within), PAUSE_MS);
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  /** @type {Record<string, () => void>} */
  const actions = { o: toggleOutline, g: toggleExplanation, f: () => at("file").click() };
  const action = actions[event.key.toLowerCase()];
  if (!action) return;
  event.preventDefault();
  action();
}

/** @param {DragEvent} event */
function onDrop(event) {
  event.preventDefault();
  at("stage").classList.remove("over");
  const items = [...(event.dataTransfer?.items ?? [])];
  const files = event.dataTransfer?.files ?? [];
  if (items[0]?.webkitGetAsEntry()?.isDirectory) {
    complain("A folder was dropped.", new Error("drop one file of it"), () => at("file").click());
  } else if (files.length > 1) {
    complain("Several files were dropped.", new Error("drop one at a time"), () => at("file").click());
  } else if (files.length === 1) {
    open(files[0]);
  }
}

at("file").addEventListener("change", () => {
  const file = at("file").files[0];
  if (file) open(file);
  at("file").value = "";
});
at("again").addEventListener("click", () => shown.again());
at("outline").addEventListener("click", toggleOutline);
at("explain").addEventListener("click", toggleExplanation);
at("fill").addEventListener("input", redraw);
at("frame").addEventListener("input", () => goTo(Number(at("frame").value) - 1));
at("back").addEventListener("click", () => goTo(Number(at("frame").value) - 2));
at("on").addEventListener("click", () => goTo(Number(at("frame").value)));
at("keep").addEventListener("click", keepIt);
document.addEventListener("keydown", onKey);
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  at("stage").classList.add("over");
});
document.addEventListener("dragleave", () => at("stage").classList.remove("over"));
document.addEventListener("drop", onDrop);
window.addEventListener("pagehide", letGo);
listen("sonoloop/board/stream", { board: ({ server }) => showState(server) }, showConnection);
