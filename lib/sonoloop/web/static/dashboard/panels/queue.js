// @ts-check
// What comes next, and why: the proposals of the strategy that is looked at.

import { at, h, nothing, number, shortened, show, table } from "../../dom.js";

/** @type {string | null} The strategy looked at; null is the one the server prefers. */
let chosen = null;

/** @param {any} queue `queue` of the snapshot. */
export function showQueue(queue) {
  const names = queue.strategies.map((/** @type {any} */ strategy) => strategy.name);
  const name = chosen !== null && names.includes(chosen) ? chosen : queue.preferred;
  showChoice(queue, name);
  const strategy = queue.strategies.find((/** @type {any} */ known) => known.name === name);
  const proposals = queue.proposals[name] ?? [];
  show(
    at("queue-list"),
    h("p", { class: "muted" }, strategy ? strategy.description : ""),
    queue.note ? h("p", { class: "muted" }, queue.note) : null,
    proposals.length ? proposalTable(proposals) : nothing(strategy?.empty ?? "No proposals of this strategy yet."),
  );
}

/**
 * @param {any} queue
 * @param {string} name
 */
function showChoice(queue, name) {
  const select = at("strategy");
  const key = JSON.stringify(queue.strategies.map((/** @type {any} */ known) => known.name));
  if (select.dataset.names !== key) {
    select.dataset.names = key;
    select.replaceChildren(
      ...queue.strategies.map((/** @type {any} */ known) => h("option", { value: known.name }, known.name)),
    );
  }
  select.value = name;
  select.onchange = () => {
    chosen = select.value;
    showQueue(queue);
  };
}

/** @param {any[]} proposals */
function proposalTable(proposals) {
  const rows = proposals.map((proposal) => [
    h("code", { title: proposal.image_id }, shortened(proposal.image_id)),
    number(proposal.score, 3),
    proposal.reason,
  ]);
  return table("Next images", ["Image", ["Score", "n"], ["Why this image", "wide"]], rows);
}
