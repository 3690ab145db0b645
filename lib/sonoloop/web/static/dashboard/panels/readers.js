// @ts-check
// Who said what.

import { at, duration, h, nothing, show, table } from "../../dom.js";
import { shares } from "../chart.js";

const CLASSES = ["normal", "benign", "malignant", "untold"];

/** @param {any[]} readers `labelling.readers` of the snapshot. */
export function showReaders(readers) {
  if (!readers.length) {
    show(at("readers-list"), nothing("Nobody has labelled an image yet."));
    return;
  }
  const shown = CLASSES.filter((name) => name !== "untold" || readers.some((reader) => reader.classes.untold));
  const most = Math.max(...readers.map((reader) => reader.answers));
  const heads = /** @type {(string | [string, string])[]} */ ([
    "Reader",
    ...shown.map((name) => [name[0].toUpperCase() + name.slice(1), "n"]),
    ["All", "n"],
    ["Per image", "n"],
    ["Shares", "bar-column"],
  ]);
  const rows = readers.map((reader) => [
    named(reader),
    ...shown.map((name) => reader.classes[name]),
    h("b", {}, reader.answers),
    reader.seconds_an_image === null ? "–" : duration(reader.seconds_an_image),
    shares(
      CLASSES.map((name) => ({ name, className: name, value: reader.classes[name] })),
      most,
    ),
  ]);
  const sums = shown.map((name) => readers.reduce((sum, reader) => sum + reader.classes[name], 0));
  if (readers.length > 1) {
    rows.push(["All readers", ...sums, h("b", {}, sums.reduce((a, b) => a + b)), null, null]);
  }
  show(at("readers-list"), table("Answers by reader and class", heads, rows));
}

/** @param {any} reader */
function named(reader) {
  const extra = [
    reader.drafts ? `${reader.drafts} drafts` : "",
    reader.conflicting ? `${reader.conflicting} conflicting` : "",
  ].filter(Boolean);
  const note = extra.length ? h("small", {}, ` ${extra.join(", ")}`) : null;
  return h("span", { class: "clip", title: reader.reader }, reader.reader, note);
}
