// @ts-check
// One review session for the life of the window, whichever of OHIF's modules asks for it first.

import { early } from "./early.js";
import { Review } from "./review/review.js";
import { Api } from "./server/api.js";
import { listen } from "./server/events.js";
import { Host } from "./viewer/host.js";
import { OhifViewer } from "./viewer/ohif_viewer.js";

/**
 * @typedef {object} Session
 * @property {Host} host
 * @property {OhifViewer} viewer
 * @property {Review} review
 */

const TOUCHES = ["pointermove", "pointerdown", "keydown", "wheel"];

/** @type {Session | null} */
let session = null;
/** @type {(() => void)[]} */
let stops = [];

/**
 * @param {import("./viewer/host.js").Managers} managers
 * @returns {Session}
 */
export function begin(managers) {
  if (session) return session;
  const host = new Host(managers);
  const viewer = new OhifViewer(host);
  const review = new Review({ api: new Api(), viewer, storage: window.localStorage });
  session = { host, viewer, review };
  window.addEventListener("beforeunload", (event) => {
    if (!review.hasUnsaved) return;
    event.preventDefault();
    event.returnValue = true; // browsers before 2024 ask for it
  });
  review.seen(!document.hidden);
  document.addEventListener("visibilitychange", () => review.seen(!document.hidden));
  for (const touch of TOUCHES) window.addEventListener(touch, () => review.touched(), { capture: true, passive: true });
  if (early) review.desk.loader.expect(early.imageId, early);
  return session;
}

/** @returns {Session} The session that has begun. */
export function current() {
  if (!session) throw new Error("the extension has not been registered yet - list it in the viewer's configuration");
  return session;
}

/** The viewer has entered our mode. */
export function enter() {
  const { host, viewer, review } = current();
  leave();
  const problem = host.problem;
  if (problem) return review.say("error", problem);
  host.saveContexts();
  viewer.start();
  const { board } = review;
  stops = [
    () => viewer.stop(),
    viewer.onTool((tool) => review.patch({ tool })),
    listen(
      { board: (told) => board.heardBoard(told), trainings: (told) => board.heardTrainings(told) },
      (answers, wait) => void board.heardState(answers, wait),
    ),
  ];
  void board.refresh();
}

/** The viewer has left our mode. */
export function leave() {
  for (const stop of stops) stop();
  stops = [];
}
