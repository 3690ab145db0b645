import assert from "node:assert/strict";
import { test } from "node:test";

import { Api } from "../../apps/ohif/server/api.js";
import * as errors from "../../apps/ohif/server/errors.js";
import { Http } from "../../apps/ohif/server/http.js";
import { writeNrrd } from "../../apps/ohif/server/nrrd.js";

const ROOT = new URL("https://clinic.example/below/");
const told = (status, body, kind = "application/json") =>
  new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers: { "content-type": kind } });

/** An API before a server that answers in this order; a function is called, an error thrown. */
function served(...answers) {
  const asked = [];
  const waited = [];
  const fetch = async (address, init) => {
    asked.push({ address: String(address), ...init });
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer instanceof Error) throw answer;
    return typeof answer === "function" ? answer(init) : answer.clone();
  };
  const wait = async (ms) => void waited.push(ms);
  return { api: new Api(new Http({ root: ROOT, fetch, wait })), http: new Http({ root: ROOT, fetch, wait }), asked, waited };
}

const KINDS = [
  [401, "authentication", errors.LoginNeededError],
  [403, "forbidden", errors.ForbiddenError],
  [404, "not_found", errors.NotFoundError],
  [409, "conflict", errors.ConflictError],
  [429, "busy", errors.BusyError],
  [503, "pacs", errors.UnavailableError],
  [422, "label_read", errors.ServerError],
];
for (const [status, code, kind] of KINDS) {
  test(`an answer of status ${status} is a ${kind.name} with the server's sentence`, async () => {
    const { api } = served(told(status, { detail: "so it is", code }));

    await assert.rejects(api.info(), (error) => error.constructor === kind && error.message === "so it is" && error.code === code && error.status === status);
  });
}

test("the error page of a proxy is an error without a word of the server's", async () => {
  const { api } = served(told(502, "<html>Bad gateway</html>", "text/html"));

  await assert.rejects(api.info(), (error) => error instanceof errors.UnavailableError && error.message.includes("502"));
});

test("a server that is away is told from one that answers too late", async () => {
  const away = served(new TypeError("fetch failed"));
  const late = served((init) => new Promise((_, reject) => init.signal.addEventListener("abort", () => reject(init.signal.reason))));
  const alive = setTimeout(() => {}, 5000); // time limits alone keep no process alive

  await assert.rejects(away.http.ask("info/"), (error) => error.constructor === errors.UnreachableError);
  await assert.rejects(late.http.ask("info/", { timeoutMs: 5 }), errors.TimedOutError);
  clearTimeout(alive);
});

test("a request that was taken back is no failure of the server", async () => {
  const { api } = served((init) => Promise.reject(init.signal.reason));

  await assert.rejects(api.revisions("a", { signal: AbortSignal.abort() }), errors.WithdrawnError);
});

test("a conflict carries both revisions", async () => {
  const { api } = served(told(409, { detail: "stale", code: "stale_revision", kept: { revision: 3 }, current: { revision: 2 } }));

  await assert.rejects(api.saveLabel("a", { mask: null, params: {} }), (error) =>
    error instanceof errors.StaleRevisionError && error.kept.revision === 3 && error.current.revision === 2);
});

test("what passes is tried again, with longer and longer waits", async () => {
  const { api, asked, waited } = served(told(503, {}), told(429, {}), told(200, { revisions: [], skips: [] }));

  await api.revisions("a");

  assert.equal(asked.length, 3);
  assert.deepEqual(waited, [1000, 2000]);
});

test("an answer is never saved twice by itself", async () => {
  const { api, asked } = served(told(503, {}));

  await assert.rejects(api.saveLabel("a", { mask: null, params: {} }), errors.UnavailableError);
  assert.equal(asked.length, 1);
});

test("a path stays below the root the server is served at", async () => {
  const { api, asked } = served(told(200, {}));

  await api.imageInfo("1.2.3_f4");

  assert.equal(asked[0].address, "https://clinic.example/below/datastore/image/info?image=1.2.3_f4");
});

test("the answer of the model is a mask and what is told of it", async () => {
  const form = new FormData();
  form.append("params", JSON.stringify({ pathology: "benign" }));
  form.append("image", new Blob([writeNrrd({ columns: 3, rows: 1, data: Uint8Array.from([0, 1, 1]) })]), "mask.nrrd");
  const { api, asked } = served(() => new Response(form));

  const { mask, params } = await api.infer("1.2.3");

  assert.deepEqual([mask.columns, mask.rows, ...mask.data], [3, 1, 0, 1, 1]);
  assert.equal(params.pathology, "benign");
  assert.equal(asked[0].address, "https://clinic.example/below/infer/lesion?image=1.2.3&output=all");
});

test("a mask is saved with its parameters, and no lesion without a file", async () => {
  const { api, asked } = served(told(200, { revision: 1 }));

  await api.saveLabel("a", { mask: { columns: 2, rows: 1, data: Uint8Array.from([1, 0]) }, params: { pathology: "benign" } });
  await api.saveLabel("a", { mask: null, params: { pathology: "normal" } });

  assert.equal(asked[0].method, "PUT");
  assert.equal(asked[0].body.get("label").name, "label.nrrd");
  assert.deepEqual(JSON.parse(asked[0].body.get("params")), { pathology: "benign" });
  assert.equal(asked[1].body.get("label"), null);
});

test("no image waits when the server hands out an empty object", async () => {
  assert.equal(await served(told(200, {})).api.next("auto", "anna"), null);
});
