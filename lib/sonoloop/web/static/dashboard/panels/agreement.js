// @ts-check
// How far readers agree: each pair, and the images they differ on most.

import { at, counted, h, nothing, number, shortened, show, table } from "../../dom.js";

const WORST = 6;

/** @param {any} agreement `agreement` of the snapshot. */
export function showAgreement({ pairs, worst, together, unreadable }) {
  if (!pairs.length) {
    const sentence = "No image has been read by two readers yet: assign images to two readers to see how far they agree.";
    show(at("agreement-list"), nothing(sentence));
    return;
  }
  show(at("agreement-list"), summary(together, unreadable), pairTable(pairs), worstTable(worst));
}

/**
 * @param {any} together
 * @param {number} unreadable
 */
function summary(together, unreadable) {
  const kappa = together.pathology_kappa.value;
  const words = [
    `${counted(together.readers, "reader")} on ${counted(together.images, "image")}`,
    kappa === null ? "" : `Fleiss' kappa of the pathology ${number(kappa, 2)}`,
    unreadable ? `${counted(unreadable, "image")} left out: a label file cannot be read` : "",
  ];
  return h("p", { class: "muted" }, words.filter(Boolean).join("; "));
}

/** @param {any[]} pairs */
function pairTable(pairs) {
  const heads = /** @type {(string | [string, string])[]} */ ([
    "Readers",
    ["Images", "n"],
    ["Dice", "n"],
    ["HD95 px", "n"],
    ["κ pathology", "n"],
    ["κ BI-RADS", "n"],
  ]);
  const rows = pairs.map((pair) => [
    names(pair.readers),
    pair.images,
    number(pair.dice, 2),
    number(pair.hd95_px, 1),
    number(pair.pathology_kappa.value, 2),
    number(pair.birads_kappa.value, 2),
  ]);
  return table("Agreement of each pair of readers", heads, rows);
}

/** @param {any[]} worst */
function worstTable(worst) {
  if (!worst.length) return null;
  const rows = worst.slice(0, WORST).map((image) => [
    h("code", { title: image.image_id }, shortened(image.image_id)),
    names(image.readers),
    number(image.dice, 2),
    image.pathology.map((/** @type {string | null} */ said) => said ?? "–").join(" / "),
  ]);
  return h(
    "div",
    {},
    h("h3", {}, "Images they differ on most"),
    table("Images readers differ on most", ["Image", "Readers", ["Dice", "n"], "Pathology"], rows),
  );
}

/** @param {[string, string]} readers */
const names = (readers) => h("span", { class: "clip", title: readers.join(" and ") }, readers.join(" · "));
