// @ts-check
// What the server tells as it changes, by server-sent events. The connection is opened anew when
// it breaks, when it falls silent, and when the window is looked at again: a hidden one has none,
// for browsers grant a server six.

import { toLogin, whoAmI } from "../dom.js";

const SILENCE_MS = 25_000; // the server says something every ten seconds
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 15_000;

/**
 * @param {string} path
 * @param {Record<string, (data: any) => void>} told Called with what an event of that name carries.
 * @param {(answers: boolean) => void} state Told whether the server answers.
 */
export function listen(path, told, state) {
  /** @type {EventSource | null} */
  let source = null;
  let wait = FIRST_WAIT_MS;
  let watch = 0;
  let again = 0;

  const heard = () => {
    clearTimeout(watch);
    watch = window.setTimeout(reopen, SILENCE_MS);
    wait = FIRST_WAIT_MS;
    state(true);
  };

  const close = () => {
    clearTimeout(watch);
    clearTimeout(again);
    source?.close();
    source = null;
  };

  const reopen = () => {
    close();
    state(false);
    again = window.setTimeout(open, wait);
    wait = Math.min(2 * wait, LONGEST_WAIT_MS);
  };

  const open = () => {
    close();
    if (document.hidden) return;
    source = new EventSource(path);
    source.addEventListener("beat", heard);
    source.addEventListener("error", () => {
      reopen();
      whoAmI().then(({ accounts, name }) => accounts && !name && toLogin(), () => {}); // a refusal looks like a cut
    });
    for (const [name, hear] of Object.entries(told)) {
      source.addEventListener(name, (event) => {
        heard();
        hear(JSON.parse(/** @type {MessageEvent} */ (event).data));
      });
    }
    watch = window.setTimeout(reopen, SILENCE_MS);
  };

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("online", open);
  open();
}
