// @ts-check
// What the server tells as it changes, by server-sent events. The connection is opened anew when it breaks or falls
// silent; a hidden window has none, for browsers grant a server six.

import { addressOf, ROOT } from "./address.js";

const SILENCE_MS = 25_000; // the server says something every ten seconds
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 15_000;

/**
 * @typedef {object} Surroundings Replaced in tests.
 * @property {URL} root
 * @property {(address: URL) => EventSource} open
 * @property {() => boolean} hidden
 * @property {(run: () => void, ms: number) => any} later
 * @property {(timer: any) => void} never
 * @property {(name: "visibilitychange" | "online", run: () => void) => () => void} on Returns how to stop.
 */

/** @returns {Surroundings} */
function browser() {
  return {
    root: ROOT,
    open: (address) => new EventSource(address),
    hidden: () => document.hidden,
    later: (run, ms) => setTimeout(run, ms),
    never: (timer) => clearTimeout(timer),
    on: (name, run) => {
      const target = name === "online" ? window : document;
      target.addEventListener(name, run);
      return () => target.removeEventListener(name, run);
    },
  };
}

/**
 * @param {Record<string, (data: any) => void>} told Called with what an event of that name carries.
 * @param {(answers: boolean, wait: number) => void} state Told whether the stream answers, else in how many
 *   milliseconds it is tried again.
 * @param {Surroundings} [around]
 * @returns {() => void} Ends it.
 */
export function listen(told, state, around = browser()) {
  /** @type {EventSource | null} */
  let source = null;
  let wait = FIRST_WAIT_MS;
  /** @type {any} */ let watch;
  /** @type {any} */ let again;

  const heard = () => {
    around.never(watch);
    watch = around.later(reopen, SILENCE_MS);
    wait = FIRST_WAIT_MS;
    state(true, 0);
  };
  const close = () => {
    around.never(watch);
    around.never(again);
    source?.close();
    source = null;
  };
  const reopen = () => {
    close();
    state(false, wait);
    again = around.later(open, wait);
    wait = Math.min(2 * wait, LONGEST_WAIT_MS);
  };
  const open = () => {
    close();
    if (around.hidden()) return;
    source = around.open(addressOf(around.root, "sonoloop/board/stream"));
    source.addEventListener("beat", heard);
    source.addEventListener("error", reopen);
    for (const [name, hear] of Object.entries(told)) {
      source.addEventListener(name, (event) => {
        heard();
        hear(JSON.parse(/** @type {MessageEvent} */ (event).data));
      });
    }
    watch = around.later(reopen, SILENCE_MS);
  };

  const stops = [
    around.on("visibilitychange", () => (around.hidden() ? close() : open())),
    around.on("online", open),
  ];
  open();
  return () => {
    for (const stop of stops) stop();
    close();
  };
}
