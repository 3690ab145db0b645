// @ts-check
// Labels that are doubtful: left out of every training until somebody has looked.

import { at, counted, h, nothing, send, shortened, show, table } from "../../dom.js";
import { WHO, button } from "../actions.js";

/** @param {any} quality `quality` of the snapshot. */
export function showQuality({ open, counts, flags }) {
  if (!open) {
    show(at("quality-list"), nothing("No label is doubtful."));
    return;
  }
  const kinds = Object.entries(counts).map(([kind, count]) => `${count} ${words(kind)}`);
  const told = `${counted(open, "doubt")} on labels that no training uses until it is settled: ${kinds.join(", ")}`;
  const rows = flags.map((/** @type {any} */ flag) => [
    h("code", { title: flag.image }, shortened(flag.image)),
    h("span", { class: "clip", title: flag.reader }, flag.reader || "–"),
    flag.sentence,
    dismissal(flag),
  ]);
  show(
    at("quality-list"),
    h("p", { class: "muted" }, told),
    table("Doubtful labels", ["Image", "Reader", ["Why", "wide"], "Action"], rows),
  );
}

/** @param {any} flag */
function dismissal(flag) {
  const image = shortened(flag.image);
  const dismiss = async (/** @type {string} */ reason) => {
    await send(`sonoloop/quality/${flag.id}/dismiss`, "POST", { reviewer: WHO, reason });
    return `the doubt on ${image} is dismissed; its label may be trained on again`;
  };
  const question = {
    title: "Dismiss the doubt?",
    text: `${flag.sentence} If the label is right as it is, it may be trained on again.`,
    yes: "Dismiss",
    field: "Why it is right",
    needed: true,
  };
  const name = `Dismiss: ${flag.sentence} (${image})`;
  return button("Dismiss", `dismiss ${flag.id}`, dismiss, { needs: "reviewer", question, name });
}

/** @param {string} kind */
const words = (kind) => kind.replaceAll("_", " ");
