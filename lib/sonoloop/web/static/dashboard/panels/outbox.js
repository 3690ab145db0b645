// @ts-check
// What is on its way to the archive: nothing that was submitted is lost, and this says where it is.

import { at, counted, h, moment, nothing, send, shortened, show, table } from "../../dom.js";
import { WHO, button } from "../actions.js";

/** @param {any} outbox `outbox` of the snapshot. */
export function showOutbox({ waiting, verified, failed, off, oldest, archive, writes, entries }) {
  const wanted = waiting + verified + failed;
  show(
    at("outbox-list"),
    wanted
      ? h("p", { class: "sum" }, h("b", {}, String(verified)), ` of ${counted(wanted, "answer")} in the archive, read back and compared`)
      : nothing("No reader has submitted anything for the archive yet."),
    waiting ? h("p", { id: "outbox-waiting" }, `${waitingTold(waiting)} since ${moment(oldest)}; nothing is lost.`) : null,
    state(archive, waiting),
    off ? h("p", { class: "muted" }, offTold(off, writes)) : null,
    failed ? failures(failed, entries) : null,
  );
}

/** @param {number} waiting */
const waitingTold = (waiting) => `${counted(waiting, "answer")} ${waiting === 1 ? "waits" : "wait"}`;

/**
 * @param {any} archive
 * @param {number} waiting
 */
function state(archive, waiting) {
  const since = moment(archive.since);
  if (archive.reachable) return h("p", { class: "muted", id: "archive-state" }, `The archive answers since ${since}.`);
  const next = waiting ? " What waits goes by itself once it answers." : "";
  return h("p", { class: "trouble", id: "archive-state", role: "status" }, `The archive does not answer since ${since}: ${archive.problem}.${next}`);
}

/**
 * @param {number} off
 * @param {any} writes
 */
function offTold(off, writes) {
  if (!writes.segmentations && !writes.reports) return `${counted(off, "answer")} not sent: writing is switched off.`;
  return `${counted(off, "answer")} not to be sent, such as those on images that are no DICOM.`;
}

/**
 * @param {number} failed
 * @param {any[]} entries
 */
function failures(failed, entries) {
  const rows = entries.map((entry) => [
    h("code", { title: entry.image }, shortened(entry.image)),
    h("span", { class: "clip", title: entry.reader }, entry.reader || "–"),
    entry.problem,
    again([entry.id], `send ${entry.id}`, `Send again: ${shortened(entry.image)}`),
  ]);
  const told = `${counted(failed, "answer")} did not get there; ${failed === 1 ? "it is" : "they are"} kept here.`;
  return h(
    "div",
    {},
    h("p", { class: "trouble" }, `${told} `, failed > 1 ? again(null, "send all", "Send all again") : null),
    table("Answers that did not reach the archive", ["Image", "Reader", ["Why", "wide"], "Action"], rows),
  );
}

/**
 * @param {number[] | null} entries
 * @param {string} key
 * @param {string} name
 */
function again(entries, key, name) {
  const retry = async () => {
    const { retried } = await send("sonoloop/outbox/retry", "POST", { actor: WHO, entries });
    return `${counted(retried, "answer")} on the way again`;
  };
  return button(entries ? "Send again" : "Send all again", key, retry, { needs: "engineer", name });
}
