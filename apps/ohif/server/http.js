// @ts-check
// One request: with a time limit, with the caller's way of taking it back, and with errors told apart by class.

import { addressOf, ROOT } from "./address.js";
import { errorOf, isPassing, TimedOutError, UnreachableError, WithdrawnError } from "./errors.js";

/**
 * @typedef {object} Request
 * @property {"GET" | "POST" | "PUT" | "DELETE"} [method]
 * @property {Record<string, string | number | null | undefined>} [query]
 * @property {unknown} [json] Body, sent as JSON.
 * @property {FormData} [form] Body, sent as a form.
 * @property {AbortSignal} [signal] Takes the request back.
 * @property {number} [timeoutMs] Until the head of the answer is there.
 */

/** Milliseconds for what the server answers from memory or its database. */
export const QUICK_MS = 20_000;

/** Waits before the second and later tries, in milliseconds. */
const WAITS_MS = [1000, 2000, 4000, 8000];

export class Http {
  /**
   * @param {{ root?: URL, fetch?: typeof fetch, wait?: (ms: number, signal?: AbortSignal) => Promise<void> }} [parts]
   *   Replaced in tests.
   */
  constructor({ root = ROOT, fetch: send = globalThis.fetch.bind(globalThis), wait = pause } = {}) {
    this.root = root;
    this.send = send;
    this.wait = wait;
  }

  /**
   * @param {string} path Relative to the server's root.
   * @param {Request} [request]
   * @returns {Promise<Response>} Of a status that is a success.
   * @throws {import("./errors.js").ServerError}
   */
  async ask(path, { method = "GET", query, json, form, signal, timeoutMs = QUICK_MS } = {}) {
    const limit = AbortSignal.timeout(timeoutMs);
    const response = await this.#sent(addressOf(this.root, path, query), {
      method,
      body: form ?? (json === undefined ? undefined : JSON.stringify(json)),
      headers: json === undefined ? {} : { "content-type": "application/json" },
      credentials: "same-origin",
      cache: "no-store",
      redirect: "follow",
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    }, signal);
    if (!response.ok) throw await errorOf(response);
    return response;
  }

  /**
   * The same, tried again while the failure is one that passes. For requests that do no harm when they arrive twice.
   * @param {string} path
   * @param {Request} [request]
   * @returns {Promise<Response>}
   */
  async insist(path, request = {}) {
    for (const waitMs of WAITS_MS) {
      try {
        return await this.ask(path, request);
      } catch (error) {
        if (!isPassing(error)) throw error;
      }
      await this.wait(waitMs, request.signal);
    }
    return this.ask(path, request);
  }

  /**
   * @param {URL} address
   * @param {RequestInit} init
   * @param {AbortSignal | undefined} withdrawn
   */
  async #sent(address, init, withdrawn) {
    try {
      return await this.send(address, init);
    } catch (cause) {
      if (withdrawn?.aborted) throw new WithdrawnError("the request was taken back", { cause });
      if (init.signal?.aborted) throw new TimedOutError("the server does not answer in time", { cause });
      throw new UnreachableError("the server cannot be reached", { cause });
    }
  }
}

/**
 * @param {number} ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new WithdrawnError("the request was taken back"));
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new WithdrawnError("the request was taken back"));
    }, { once: true });
  });
}
