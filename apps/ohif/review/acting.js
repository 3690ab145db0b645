// @ts-check
// State that is seen, actions that never throw: what went wrong is said in the state.

import { LoginNeededError, UnreachableError, WithdrawnError } from "../server/errors.js";
import { NotOpenError } from "../viewer/labelmaps.js";
import { AT_FIRST } from "./state.js";

/** @typedef {import("./types").ReviewState} ReviewState */

export class Acting extends EventTarget {
  /** @type {ReviewState} */
  #state = AT_FIRST;

  get state() {
    return this.#state;
  }

  /** @param {Partial<ReviewState>} part */
  patch(part) {
    this.#state = Object.freeze({ ...this.#state, ...part });
    this.dispatchEvent(new Event("change"));
  }

  /**
   * @param {"info" | "error"} kind
   * @param {string} text
   */
  say(kind, text) {
    this.patch({ message: Object.freeze({ kind, text }) });
  }

  /**
   * @param {unknown} error
   * @param {string} [what] Said before it.
   */
  fail(error, what = "") {
    if (error instanceof WithdrawnError || error instanceof NotOpenError) return; // nobody waits for it any more
    if (error instanceof LoginNeededError) this.patch({ server: "login" });
    else if (error instanceof UnreachableError) this.patch({ server: "down" });
    const text = `${what}${reasonOf(error)}`;
    this.say("error", text.charAt(0).toUpperCase() + text.slice(1));
  }

  /**
   * Runs an action, once at a time.
   * @param {string} name
   * @param {() => unknown} work
   */
  async act(name, work) {
    if (this.#state.busy.includes(name)) return;
    this.patch({ busy: Object.freeze([...this.#state.busy, name]), message: null });
    try {
      await work();
    } catch (error) {
      this.fail(error);
    } finally {
      this.patch({ busy: Object.freeze(this.#state.busy.filter((one) => one !== name)) });
    }
  }
}

/** @param {unknown} error */
function reasonOf(error) {
  if (error instanceof LoginNeededError) return "nobody is logged in, or the log-in has expired: please log in.";
  return error instanceof Error ? error.message : String(error);
}
