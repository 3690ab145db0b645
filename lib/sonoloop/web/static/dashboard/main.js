// @ts-check
// The dashboard: listens to the server and hands each part of what it tells to its panel.

import { ask, at, nothing, say, show, whoAmI } from "../dom.js";
import { prepareDialog, setAsking, tell } from "./actions.js";
import { showAgreement } from "./panels/agreement.js";
import { showCurve } from "./panels/curve.js";
import { setClock, showLeases, tick } from "./panels/leases.js";
import { showModels } from "./panels/models.js";
import { showOutbox } from "./panels/outbox.js";
import { showProgress, showRefused } from "./panels/progress.js";
import { showQuality } from "./panels/quality.js";
import { showQueue } from "./panels/queue.js";
import { showReaders } from "./panels/readers.js";
import { showTrainings } from "./panels/training.js";
import { stateOf } from "./state.js";
import { listen } from "./stream.js";

const TICK_MS = 1000;

/**
 * Each panel: where it is, what of the snapshot it shows, and how.
 * @type {{place: string, part: (board: any) => any, draw: (part: any) => void}[]}
 */
const PANELS = [
  { place: "days", part: (b) => fine(b.labelling, { ...b.labelling, server: b.server }), draw: showProgress },
  { place: "readers-list", part: (b) => fine(b.labelling, b.labelling.readers), draw: showReaders },
  { place: "models-list", part: (b) => b.models, draw: showModels },
  { place: "curve-chart", part: (b) => b.models, draw: showCurve },
  { place: "queue-list", part: (b) => b.queue, draw: showQueue },
  { place: "leases-list", part: (b) => b.leases, draw: showLeases },
  { place: "outbox-list", part: (b) => b.outbox, draw: showOutbox },
  { place: "quality-list", part: (b) => b.quality, draw: showQuality },
];

/** What each place shows, as JSON: what is the same is not drawn again. */
const drawn = new Map();

/**
 * @param {any} whole
 * @param {any} part
 * @returns {any} The part, or the problem of the whole.
 */
const fine = (whole, part) => (whole.problem ? whole : part);

/** @param {any} board */
function showBoard(board) {
  for (const { place, part, draw } of PANELS) redraw(place, part(board), draw);
  showServer(board.server);
}

/**
 * @param {string} place
 * @param {any} part
 * @param {(part: any) => void} draw
 */
function redraw(place, part, draw) {
  const json = JSON.stringify(part ?? null);
  if (drawn.get(place) === json) return;
  drawn.set(place, json);
  if (part?.problem) show(at(place), nothing(`This cannot be shown: ${part.problem}.`));
  else if (part) draw(part);
}

/** What the last snapshot said of the server. */
let server = /** @type {any} */ (null);

/** @param {any} told */
function showServer(told) {
  server = told;
  say(at("version"), told.version);
  setState(true);
  showRefused(told.refused, async (path) => (await ask(path)).json()).catch((error) => tell(error.message, "bad"));
}

/** @param {boolean} answers */
function setState(answers) {
  const { text, kind } = !answers
    ? { text: "server does not answer", kind: "bad" }
    : server
      ? stateOf(server)
      : { text: "connecting", kind: "" };
  if (!answers && at("down").hidden) say(at("since"), clockTime(new Date()));
  at("down").hidden = answers;
  document.body.classList.toggle("stale", !answers);
  say(at("state"), text);
  at("state").className = `state ${kind}`;
}

/** @param {Date} when */
const clockTime = (when) => when.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

/** @param {any} event */
function hearTrainings(event) {
  setClock(event.now);
  redraw("trainings", event.trainings, showTrainings);
}

/** @param {any} event */
const hearAgreement = (event) => redraw("agreement-list", event.agreement, showAgreement);

const TOLD = { board: showBoard, trainings: hearTrainings, agreement: hearAgreement };

const me = await whoAmI().catch(() => null); // the server itself refuses what somebody may not do
if (me) setAsking(me);
prepareDialog();
setInterval(tick, TICK_MS);
listen("sonoloop/board/stream", TOLD, setState);
