// @ts-check
// Line drawings on a field of 24 x 24, drawn for this panel.

import { svg } from "./dom.js";

/** @type {Readonly<Record<string, readonly string[]>>} Paths by name. */
const PATHS = {
  brush: ["M20 4 10.5 13.5", "M14 3.5 20.5 10", "M9.5 12.5c-3 0-4.5 2-4.5 4.5 0 1.5-1 2.5-2 3 5 1.5 9-.5 9-4.5z"],
  eraser: ["M8 20 3.5 15.5a2 2 0 0 1 0-2.8L12.7 3.5a2 2 0 0 1 2.8 0l5 5a2 2 0 0 1 0 2.8L12 20z", "M8.5 8 16 15.5", "M8 20h12"],
  contour: ["M5 9c1-4 6-6 10-4s6 6 4 10-7 5-11 3-4.5-5.5-3-9z", "M4 8h3v3H4z", "M17 14h3v3h-3z"],
  threshold: ["M3 19h18", "M5 19v-4", "M9 19V9", "M13 19V5", "M17 19v-7", "M3 12h18"],
  pan: ["M12 3v18", "M3 12h18", "M9.5 5.5 12 3l2.5 2.5", "M9.5 18.5 12 21l2.5-2.5", "M5.5 9.5 3 12l2.5 2.5", "M18.5 9.5 21 12l-2.5 2.5"],
  windowLevel: ["M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z", "M12 3v18", "M14 8h5", "M14 12h7", "M14 16h5"],
  undo: ["M9 7 4 12l5 5", "M4 12h10a5 5 0 0 1 5 5v1"],
  redo: ["M15 7l5 5-5 5", "M20 12H10a5 5 0 0 0-5 5v1"],
  remove: ["M5 7h14", "M10 7V4h4v3", "M7 7l1 13h8l1-13"],
  add: ["M12 5v14", "M5 12h14"],
  refresh: ["M20 12a8 8 0 1 1-2.5-5.8", "M20 3v5h-5"],
  close: ["M6 6l12 12", "M18 6 6 18"],
  keys: ["M3 7h18v11H3z", "M7 11h.01", "M11 11h.01", "M15 11h.01", "M8 15h8"],
  check: ["M5 12.5l4.5 4.5L19 7.5"],
};

/**
 * @param {keyof typeof PATHS} name
 * @returns {SVGElement} Silent: what it stands beside has a name.
 */
export function icon(name) {
  const lines = PATHS[name].map((d) => svg("path", { d }));
  return svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" }, ...lines);
}
