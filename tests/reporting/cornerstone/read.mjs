// Reads SEG files as OHIF does and tells which pixels of which image got which segment.
//
// stdin: [{"file": path, "sources": [...]}]; stdout: one entry each, [{"image", "values"}] or
// {"error"}; values are base64 of a byte a pixel.

import { readFileSync } from "node:fs";
import { adaptersSEG } from "@cornerstonejs/adapters";
import { cache } from "@cornerstonejs/core";
import { imageIdsOf, providerOf } from "./images.mjs";

const { createFromDICOMSegBuffer } = adaptersSEG.Cornerstone3D.Segmentation;

async function read({ file, sources }) {
  cache.purgeCache();
  const imageIds = imageIdsOf(sources);
  const bytes = readFileSync(file);
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const metadataProvider = providerOf(sources);
  const found = await createFromDICOMSegBuffer(imageIds, buffer, { metadataProvider });
  return found.labelMapImages.flat().flatMap((image) => {
    const values = Uint8Array.from(image.voxelManager.getScalarData());
    if (!values.some(Boolean)) return [];
    return [{ image: image.referencedImageId, values: Buffer.from(values).toString("base64") }];
  });
}

const answers = [];
for (const job of JSON.parse(readFileSync(0, "utf8"))) {
  answers.push(await read(job).catch((error) => ({ error: String(error) })));
}
process.stdout.write(JSON.stringify(answers), () => process.exit(0)); // timers are left behind
