// @ts-check
// How the server is, in words, and in the header of a page.

import { at, say } from "../dom.js";

/** @type {Record<string, {text: string, kind: string}>} */
const STATES = {
  ready: { text: "ready", kind: "ready" },
  loading: { text: "loading models", kind: "" },
  empty: { text: "no model published yet", kind: "bad" },
  failed: { text: "models could not be loaded", kind: "bad" },
};

/**
 * @param {any} server `server` of the snapshot.
 * @returns {{text: string, kind: string}} The words, and the class of the sign beside them.
 */
export function stateOf(server) {
  if (server.source.state === "unreachable") return { text: "studies unreachable", kind: "bad" };
  return STATES[server.pipeline.state];
}

/** @param {any} server `server` of the snapshot; shown with its version in the header. */
export function showState(server) {
  const { text, kind } = stateOf(server);
  say(at("state"), text);
  at("state").className = `state ${kind}`;
  say(at("version"), server.version);
}

/** @param {boolean} answers Shown in the header when false. */
export function showConnection(answers) {
  if (answers) return;
  say(at("state"), "server does not answer");
  at("state").className = "state bad";
}
