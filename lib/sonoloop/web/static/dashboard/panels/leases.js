// @ts-check
// Who works on which image now.

import { at, duration, h, nothing, say, shortened, show, table } from "../../dom.js";

/** How far the server's clock is ahead of this one, in milliseconds. */
let ahead = 0;

/** @param {string} now The server's clock. */
export function setClock(now) {
  ahead = new Date(now).getTime() - Date.now();
}

/** @param {any[]} leases `leases` of the snapshot. */
export function showLeases(leases) {
  if (!leases.length) {
    show(at("leases-list"), nothing("No image is in a reader's hands."));
    return;
  }
  const rows = leases.map((lease) => [
    h("code", { title: lease.image_id }, shortened(lease.image_id)),
    h("span", { class: "clip", title: lease.reader }, lease.reader),
    h("span", { title: lease.reason }, lease.strategy),
    h("span", { "data-until": lease.expires_at }),
  ]);
  show(at("leases-list"), table("Leases", ["Image", "Reader", "Chosen by", ["Left", "n"]], rows));
  tick();
}

/** Brings what is left of each lease up to date. */
export function tick() {
  for (const place of at("leases-list").querySelectorAll("[data-until]")) {
    const left = (new Date(place.dataset.until).getTime() - Date.now() - ahead) / 1000;
    say(place, left > 0 ? duration(left) : "lapsed");
  }
}
