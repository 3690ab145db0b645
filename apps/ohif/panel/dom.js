// @ts-check
// Making and changing elements. Texts become text nodes only: nothing a server says can be markup.
// Changes touch what differs, so that inputs keep the focus and screen readers hear news alone.

/** @typedef {string | number | boolean | null | undefined} AttributeValue */
/** @typedef {string | Node | null} Content */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @template {keyof HTMLElementTagNameMap} N
 * @param {N} name
 * @param {Record<string, AttributeValue>} [attributes] See `attribute`.
 * @param {...Content} contents
 * @returns {HTMLElementTagNameMap[N]}
 */
export function h(name, attributes = {}, ...contents) {
  return filled(document.createElement(name), attributes, contents);
}

/**
 * @param {string} name
 * @param {Record<string, AttributeValue>} [attributes]
 * @param {...Content} contents
 * @returns {SVGElement}
 */
export function svg(name, attributes = {}, ...contents) {
  return filled(/** @type {SVGElement} */ (document.createElementNS(SVG, name)), attributes, contents);
}

/**
 * @template {Element} T
 * @param {T} made
 * @param {Record<string, AttributeValue>} attributes
 * @param {Content[]} contents
 * @returns {T}
 */
function filled(made, attributes, contents) {
  for (const [key, value] of Object.entries(attributes)) attribute(made, key, value);
  made.append(...contents.filter((content) => content !== null));
  return made;
}

/**
 * @param {Element} place
 * @param {string} key
 * @param {AttributeValue} value null, undefined and false take the attribute away, true makes it empty.
 */
export function attribute(place, key, value) {
  if (value === null || value === undefined || value === false) {
    if (place.hasAttribute(key)) place.removeAttribute(key);
    return;
  }
  const text = value === true ? "" : String(value);
  if (place.getAttribute(key) !== text) place.setAttribute(key, text);
}

/**
 * @param {Element} place
 * @param {string | null} text null hides the place.
 */
export function say(place, text) {
  const told = text ?? "";
  if (place.textContent !== told) place.textContent = told;
  attribute(place, "hidden", text === null);
}

/**
 * @param {HTMLElement} place
 * @param {string} property
 * @param {string} value As CSS writes it; set through the object model, which a strict content policy allows.
 */
export function style(place, property, value) {
  if (place.style.getPropertyValue(property) !== value) place.style.setProperty(property, value);
}

/**
 * @param {HTMLProgressElement} bar
 * @param {number | null} share In [0, 1]; null while nobody knows.
 */
export const fill = (bar, share) => attribute(bar, "value", share === null ? null : share);

/**
 * @param {Element} place
 * @param {boolean} shown
 */
export const reveal = (place, shown) => attribute(place, "hidden", !shown);

/**
 * Makes the children of a place those of a list; an element is kept as long as its key is in it.
 *
 * @template T
 * @param {Element} place
 * @param {readonly T[]} items
 * @param {(item: T) => string | number} keyOf
 * @param {(item: T) => HTMLElement} make
 * @param {(element: HTMLElement, item: T) => void} [change]
 */
export function list(place, items, keyOf, make, change) {
  const known = new Map([...place.children].map((child) => [child.getAttribute("data-key"), child]));
  const wanted = items.map((item) => {
    const key = String(keyOf(item));
    const element = /** @type {HTMLElement} */ (known.get(key) ?? make(item));
    known.delete(key);
    attribute(element, "data-key", key);
    change?.(element, item);
    return element;
  });
  for (const gone of known.values()) gone.remove();
  wanted.forEach((element, i) => {
    if (place.children[i] !== element) place.insertBefore(element, place.children[i] ?? null);
  });
}

/**
 * A part of an element that `list` made.
 *
 * @param {Element} element
 * @param {string} selector
 * @returns {HTMLElement}
 */
export function within(element, selector) {
  const found = element.querySelector(selector);
  if (!(found instanceof HTMLElement)) throw new Error(`no ${selector} in ${element.tagName}`);
  return found;
}

/**
 * A button that stays in the focus order while it is of no use: a `disabled` one would lose the focus
 * to the page when its own action begins.
 *
 * @param {string} text
 * @param {() => unknown} press
 * @param {Record<string, AttributeValue>} [attributes]
 * @param {...Content} contents Before the text, such as an icon.
 * @returns {HTMLButtonElement}
 */
export function button(text, press, attributes = {}, ...contents) {
  const made = h("button", { type: "button", ...attributes }, ...contents, text === "" ? null : h("span", {}, text));
  made.addEventListener("click", () => {
    if (made.getAttribute("aria-disabled") !== "true") press();
  });
  return made;
}

/**
 * @param {Element} control A button with a text.
 * @param {string} text
 */
export const relabel = (control, text) => say(within(control, "span"), text);

/**
 * @param {Element} control
 * @param {boolean} enabled
 * @param {boolean} [busy]
 */
export function enable(control, enabled, busy = false) {
  attribute(control, "aria-disabled", enabled ? null : "true");
  attribute(control, "aria-busy", busy ? "true" : null);
}

/**
 * @param {Element} control
 * @param {boolean} pressed
 */
export const press = (control, pressed) => attribute(control, "aria-pressed", pressed ? "true" : "false");

/**
 * A titled part of the panel.
 *
 * @param {string} key
 * @param {string} title
 * @param {Content} beside What stands beside the title.
 * @param {...Content} contents
 * @returns {HTMLElement}
 */
export function section(key, title, beside, ...contents) {
  const heading = h("h3", { id: `title-${key}` }, title);
  const head = h("div", { class: "head" }, heading, beside);
  return h("section", { "data-part": key, "aria-labelledby": `title-${key}` }, head, ...contents);
}
