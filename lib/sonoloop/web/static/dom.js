// @ts-check
// Small helpers of every page: making elements, asking the server, saying numbers and times.
// Text only ever becomes text nodes: no name that a reader chose can become markup.

/** @typedef {string | number | Node | null | undefined} Content */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} id
 * @returns {any} The element of that id.
 */
export const at = (id) => document.getElementById(id);

/**
 * @param {string} name
 * @param {Record<string, string | number | boolean | null | undefined>} [attributes] Those that
 *   are null, undefined or false are left out; true is an empty value.
 * @param {...Content} contents
 * @returns {HTMLElement}
 */
export function h(name, attributes = {}, ...contents) {
  return filled(document.createElement(name), attributes, contents);
}

/**
 * @param {string} name
 * @param {Record<string, string | number | boolean | null | undefined>} [attributes]
 * @param {...Content} contents
 * @returns {SVGElement}
 */
export function svg(name, attributes = {}, ...contents) {
  const made = /** @type {SVGElement} */ (document.createElementNS(SVG, name));
  return filled(made, attributes, contents);
}

/**
 * @template {Element} T
 * @param {T} made
 * @param {Record<string, string | number | boolean | null | undefined>} attributes
 * @param {Content[]} contents
 * @returns {T}
 */
function filled(made, attributes, contents) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    made.setAttribute(key, value === true ? "" : String(value));
  }
  for (const content of contents) {
    if (content === null || content === undefined) continue;
    made.append(typeof content === "number" ? String(content) : content);
  }
  return made;
}

/**
 * Changes a text only when it differs, so that screen readers are told changes alone.
 * @param {HTMLElement} place
 * @param {string} text
 */
export function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

/**
 * Replaces what a place shows; who was at a control with a data-key is there again afterwards.
 * @param {HTMLElement} place
 * @param {...Content} contents
 */
export function show(place, ...contents) {
  const active = document.activeElement;
  const held = active instanceof Element && place.contains(active) && active.closest("[data-key]");
  const key = held ? held.getAttribute("data-key") : null;
  const open = new Set([...place.querySelectorAll("details[open][data-key]")].map(keyOf));
  place.replaceChildren();
  filled(place, {}, contents);
  for (const details of place.querySelectorAll("details[data-key]")) {
    if (open.has(keyOf(details))) details.setAttribute("open", "");
  }
  if (key === null) return;
  const again = [...place.querySelectorAll("[data-key]:not(:disabled)")].find((found) => keyOf(found) === key);
  const target = again ?? place.closest("section")?.querySelector("h2");
  if (target instanceof HTMLElement || target instanceof SVGElement) {
    if (!again) target.setAttribute("tabindex", "-1");
    target.focus({ preventScroll: true });
  }
}

/** @param {Element} element */
const keyOf = (element) => element.getAttribute("data-key");

/** Asks who is there, and comes back to this page. */
export function toLogin() {
  const here = location.pathname + location.search + location.hash;
  location.assign(`login?next=${encodeURIComponent(here)}`);
}

/** @typedef {{accounts: boolean, name: string | null, role: string | null}} Me */

/** @returns {Promise<Me>} Whether there are accounts, and who is logged in here. */
export const whoAmI = async () => (await ask("auth/me")).json();

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>} The answer, when it is a success.
 * @throws {Error} With the server's sentence, when it is none; it has `status` and `code` then.
 */
export async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("the server does not answer (it is tried again by itself)");
  }
  if (response.ok) return response;
  if (response.status === 401) toLogin();
  const problem = await response.json().catch(() => ({ detail: response.statusText }));
  throw Object.assign(new Error(problem.detail), { status: response.status, code: problem.code });
}

/**
 * @param {string} path
 * @param {string} method
 * @param {object} [body]
 * @returns {Promise<any>} What the server answers.
 */
export async function send(path, method, body) {
  const headers = { "content-type": "application/json" };
  const options = body === undefined ? { method } : { method, headers, body: JSON.stringify(body) };
  return (await ask(path, options)).json();
}

/**
 * @param {number | null | undefined} value
 * @param {number} [digits]
 */
export const number = (value, digits = 3) =>
  value === null || value === undefined ? "–" : value.toFixed(digits);

/** @param {number} share */
export const percent = (share) => `${Math.round(100 * share)} %`;

/**
 * @param {number} seconds
 * @returns {string} Such as "40 s", "12 min", "3 h 5 min".
 */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 90) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 90) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/**
 * @param {string | null | undefined} iso
 * @returns {string} Day and time where the reader is, such as "20 Nov, 14:05".
 */
export function moment(iso) {
  if (!iso) return "–";
  const form = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
  return new Date(iso).toLocaleString("en-GB", /** @type {any} */ (form));
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export const counted = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/**
 * @param {string} id An id of which the end tells most, as UIDs' does.
 * @param {number} [length]
 */
export const shortened = (id, length = 18) => (id.length <= length ? id : `…${id.slice(1 - length)}`);

/**
 * A table whose header cells are headers and whose caption is for those who do not see it.
 * @param {string} caption
 * @param {Array<string | [string, string]>} heads Text, or text and class of the column.
 * @param {Content[][]} rows
 * @returns {HTMLElement}
 */
export function table(caption, heads, rows) {
  const classes = heads.map((head) => (typeof head === "string" ? null : head[1]));
  const texts = heads.map((head) => (typeof head === "string" ? head : head[0]));
  return h(
    "table",
    {},
    h("caption", { class: "unseen" }, caption),
    h("thead", {}, h("tr", {}, ...texts.map((text, i) => h("th", { scope: "col", class: classes[i] }, text)))),
    h(
      "tbody",
      {},
      ...rows.map((cells) =>
        h(
          "tr",
          {},
          ...cells.map((cell, i) =>
            h(i === 0 ? "th" : "td", { scope: i === 0 ? "row" : null, class: classes[i] }, cell),
          ),
        ),
      ),
    ),
  );
}

/** @param {string} sentence What stands where there is nothing to show yet. */
export const nothing = (sentence) => h("p", { class: "nothing" }, sentence);
