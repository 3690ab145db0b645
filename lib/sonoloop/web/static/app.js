// The landing page: how the server is, what it would say of the next image, how to connect.
// Plain JavaScript, nothing from elsewhere; types are told in JSDoc.

const REFRESH_MS = 2000;
const TINT = [255, 143, 107];

/**
 * @param {string} id
 * @returns {any} The element of that id.
 */
const at = (id) => document.getElementById(id);

/** What is shown: the picture, its mask (1 on the lesion) and whether the mask is drawn. */
const shown = { picture: null, mask: null, outline: true, request: 0 };

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>} The answer, when it is a success.
 */
async function ask(path, options) {
  const response = await fetch(path, options);
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({ detail: response.statusText }));
  throw new Error(problem.detail);
}

/**
 * @param {string} name
 * @param {string | Node} [content]
 * @param {string} [className]
 * @returns {HTMLElement}
 */
function element(name, content, className) {
  const made = document.createElement(name);
  if (content !== undefined) made.append(content);
  if (className) made.className = className;
  return made;
}

/**
 * @param {HTMLElement} list
 * @param {Array<[string, string]>} pairs
 */
function describe(list, pairs) {
  list.replaceChildren(
    ...pairs.flatMap(([term, text]) => [element("dt", term), element("dd", text)]),
  );
}

// --- how the server is -----------------------------------------------------------------------

const STATES = {
  ready: ["ready", "ready"],
  loading: ["loading models", ""],
  empty: ["no model published yet", "bad"],
  failed: ["models could not be loaded", "bad"],
};

/** @param {any} info What /info/ says. */
function showInfo(info) {
  const { pipeline, source, model_ids: models, refused } = info.sonoloop;
  const [text, kind] = STATES[pipeline.state];
  const away = source.state === "unreachable";
  say(at("state"), away ? "studies unreachable" : text);
  at("state").className = `state ${away ? "bad" : kind}`;
  at("version").textContent = info.version;
  const { total, completed, label_tags: tags } = info.datastore;
  at("total").textContent = total;
  at("completed").textContent = completed;
  at("drafts").textContent = tags.original ?? 0;
  at("pool").max = Math.max(1, total);
  at("pool").value = completed;
  say(at("source"), source.problem ?? (source.state === "scanning" ? "Looking for studies" : ""));
  describe(at("models"), [
    ["Outline", models.segmentation ?? "none yet"],
    ["Pathology", models.classification ?? "none yet"],
  ]);
  showTrainings(info.train_stats);
  showRefused(refused);
}

/**
 * Changes a text only when it differs, so that screen readers are told changes alone.
 * @param {HTMLElement} place
 * @param {string} text
 */
function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

/** @param {Record<string, any>} stats */
function showTrainings(stats) {
  const blocks = Object.entries(stats).map(([name, training]) => {
    const block = element("div", undefined, "training");
    const running = training.status === "RUNNING";
    const best = Number(training.best_metric).toFixed(3);
    const eta = running && training.eta_seconds > 0 ? `, ${clock(training.eta_seconds)} left` : "";
    const spent = training.total_time ? `, took ${training.total_time}` : "";
    const words = `${name}: ${training.status.toLowerCase()}, epoch ${training.epoch} of `;
    block.append(element("p", `${words}${training.total_epochs}, best ${best}${eta}${spent}`));
    if (running) {
      const bar = /** @type {HTMLProgressElement} */ (element("progress"));
      bar.max = training.total_epochs;
      bar.value = training.epoch;
      bar.setAttribute("aria-label", `Training of ${name}`);
      block.append(bar);
    }
    return block;
  });
  const told = blocks.map((block) => block.textContent).join();
  if (at("trainings").dataset.told === told) return;
  at("trainings").dataset.told = told;
  at("trainings").replaceChildren(...blocks);
}

/** @param {number} seconds */
function clock(seconds) {
  const minutes = Math.round(seconds / 60);
  return minutes >= 1 ? `${minutes} min` : `${Math.round(seconds)} s`;
}

/** @param {number} count */
async function showRefused(count) {
  at("refused").hidden = count === 0;
  const words = `${count} ${count === 1 ? "file" : "files"} could not be read`;
  if (count === 0 || at("refused-count").textContent === words) return;
  at("refused-count").textContent = words;
  const refusals = await (await ask("sonoloop/refusals")).json();
  at("refusals").replaceChildren(
    ...refusals.map((refusal) => element("li", `${refusal.file}: ${refusal.reason}`)),
  );
}

async function refresh() {
  if (!document.hidden) {
    try {
      showInfo(await (await ask("info/")).json());
    } catch {
      say(at("state"), "server does not answer");
      at("state").className = "state bad";
    }
  }
  setTimeout(refresh, REFRESH_MS);
}

// --- one image -------------------------------------------------------------------------------

/** @param {string} text Shown in place of an image. */
function instead(text) {
  say(at("message"), text);
  at("message").hidden = false;
  at("canvas").hidden = true;
  at("assessment").hidden = true;
}

/**
 * Fetches a picture and what the server says of it, and shows both.
 * @param {string} picturePath
 * @param {string} which Query of the inference, naming the same picture.
 * @param {string} name
 */
async function look(picturePath, which, name) {
  const request = ++shown.request;
  instead("Analysing");
  const picture = await createImageBitmap(await (await ask(picturePath)).blob());
  const form = new FormData();
  form.set("params", JSON.stringify({ result_extension: ".png", result_dtype: "uint8" }));
  const answer = await ask(`infer/lesion?${which}`, { method: "POST", body: form });
  const parts = await answer.formData();
  const params = JSON.parse(/** @type {string} */ (parts.get("params")));
  const mask = await maskOf(/** @type {Blob} */ (parts.get("image")));
  if (request !== shown.request) return; // another image was asked for meanwhile
  Object.assign(shown, { picture, mask });
  at("message").hidden = true;
  showFindings(params, name, picture);
  draw();
}

/**
 * @param {Blob} file Label map as PNG, 1 on the lesion.
 * @returns {Promise<ImageData>}
 */
async function maskOf(file) {
  const plain = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const bitmap = await createImageBitmap(new Blob([file], { type: "image/png" }), plain);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

function draw() {
  const canvas = at("canvas");
  const { picture, mask } = shown;
  if (!picture) return;
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.hidden = false;
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  if (!shown.outline) return;
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  const inside = (x, y) => x >= 0 && x < mask.width && mask.data[4 * (y * mask.width + x)] > 0;
  for (let y = 0; y < mask.height; y += 1) {
    for (let x = 0; x < mask.width; x += 1) {
      if (!inside(x, y)) continue;
      const edge = !(inside(x - 1, y) && inside(x + 1, y) && inside(x, y - 1) && inside(x, y + 1));
      const weight = edge ? 1 : 0.22;
      const start = 4 * (y * mask.width + x);
      TINT.forEach((value, channel) => {
        const before = pixels.data[start + channel];
        pixels.data[start + channel] = before + weight * (value - before);
      });
    }
  }
  context.putImageData(pixels, 0, 0);
}

/**
 * @param {any} params
 * @param {string} name
 * @param {ImageBitmap} picture
 */
function showFindings(params, name, picture) {
  const rows = Object.entries(params.probabilities).map(([pathology, probability]) => {
    const row = element("div", undefined, `bar ${pathology}`);
    row.classList.toggle("most", pathology === params.pathology);
    const bar = /** @type {HTMLProgressElement} */ (element("progress"));
    bar.value = Number(probability);
    bar.setAttribute("aria-label", pathology);
    row.append(element("span", pathology), bar, element("output", percent(probability)));
    return row;
  });
  at("bars").replaceChildren(...rows);
  const sizes = params.lesions.map((lesion) =>
    lesion.area_mm2 === null ? `${lesion.area_px} px` : `${lesion.area_mm2.toFixed(1)} mm²`,
  );
  describe(at("facts"), [
    ["Image", name],
    ["Size", `${picture.width} x ${picture.height} px`],
    ["Lesions", sizes.length ? sizes.join(", ") : "none outlined"],
    ["Time", `${Math.round(1000 * params.seconds)} ms`],
    ...(params.flags.length ? [["Mind", params.flags.join(", ").replaceAll("_", " ")]] : []),
  ]);
  at("assessment").hidden = false;
  const likely = percent(params.probabilities[params.pathology]);
  at("canvas").setAttribute(
    "aria-label",
    `Ultrasound image ${name}: ${sizes.length} lesions outlined, ${params.pathology} ${likely}`,
  );
}

/** @param {unknown} share */
const percent = (share) => `${Math.round(100 * Number(share))} %`;

/** @param {string} strategy */
async function nextImage(strategy) {
  try {
    const headers = { "content-type": "application/json" };
    const options = { method: "POST", headers, body: "{}" };
    const sample = await (await ask(`activelearning/${strategy}`, options)).json();
    say(at("next-title"), "Next image");
    if (!sample.id) {
      shown.request += 1;
      instead("Every image is labelled");
      return;
    }
    const image = `image=${encodeURIComponent(sample.id)}`;
    await look(`datastore/image?${image}&format=png`, image, sample.id);
  } catch (error) {
    instead(error.message);
  }
}

/** @param {File} file */
async function openFile(file) {
  try {
    say(at("next-title"), "Your image");
    instead("Sending");
    const form = new FormData();
    form.append("files", file, file.name);
    const reply = await ask("session/?expiry=600", { method: "PUT", body: form });
    const { session_id: id } = await reply.json();
    await look(`session/${id}?image=true&format=png`, `session_id=${id}`, file.name);
    await ask(`session/${id}`, { method: "DELETE" });
  } catch (error) {
    instead(error.message);
  }
}

// --- controls --------------------------------------------------------------------------------

function toggleOutline() {
  shown.outline = !shown.outline;
  at("toggle").setAttribute("aria-pressed", String(shown.outline));
  draw();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const actions = { n: () => nextImage("random"), o: toggleOutline, f: () => at("file").click() };
  const action = actions[event.key.toLowerCase()];
  if (action) {
    event.preventDefault();
    action();
  }
}

/** @param {DragEvent} event */
function onDrop(event) {
  event.preventDefault();
  at("stage").classList.remove("over");
  const file = event.dataTransfer?.files[0];
  if (file) openFile(file);
}

at("another").addEventListener("click", () => nextImage("random"));
at("toggle").addEventListener("click", toggleOutline);
at("file").addEventListener("change", () => {
  const file = at("file").files[0];
  if (file) openFile(file);
  at("file").value = "";
});
document.addEventListener("keydown", onKey);
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  at("stage").classList.add("over");
});
document.addEventListener("dragleave", () => at("stage").classList.remove("over"));
document.addEventListener("drop", onDrop);
for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(at(button.dataset.copy).textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
}
const address = new URL(".", location.href).href.replace(/\/$/, "");
at("address").textContent = address;
at("python").textContent = `from monailabel.client import MONAILabelClient

client = MONAILabelClient("${address}", client_id="reader-1")
sample = client.next_sample("random", {})
mask, findings = client.infer("lesion", sample["id"], {"result_extension": ".png"})
client.save_label(sample["id"], mask, params={"pathology": findings["pathology"]})`;

refresh();
nextImage("first");
