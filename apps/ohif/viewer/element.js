// @ts-check
// OHIF wants panels as React components, and does not share its React with modules that it loads at run time. A React
// element is a plain object (https://react.dev/reference/react/createElement), and a custom element needs no more.

const ELEMENT = Symbol.for("react.element");

/**
 * @param {string} name Of an element of the page.
 * @param {Record<string, unknown>} [props]
 * @returns {object} What React 18 takes for an element.
 */
export function element(name, props = {}) {
  return { $$typeof: ELEMENT, type: name, key: null, ref: null, props, _owner: null, _store: {} };
}
