// @ts-check
// How the server is, in words.

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
