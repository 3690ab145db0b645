// Writes SEG files as OHIF's export does, faults included.
//
// stdin: [{"file": path, "sources": [...], "sopClass": uid?, "syntax": uid?,
// "masks": {"<source>/<frame from 1>": base64 of a byte a pixel}}]; stdout: [null or {"error"}].

import { readFileSync, writeFileSync } from "node:fs";
import { adaptersSEG } from "@cornerstonejs/adapters";
import dcmjs from "dcmjs";
import { imageIdsOf, providerOf } from "./images.mjs";

const { generateSegmentation } = adaptersSEG.Cornerstone3D.Segmentation;
const code = (value, meaning) => ({
  CodeValue: value,
  CodingSchemeDesignator: "SCT",
  CodeMeaning: meaning,
});

const described = (number) => ({
  SegmentNumber: String(number),
  SegmentLabel: `Segment ${number}`,
  SegmentAlgorithmType: "MANUAL",
  SegmentAlgorithmName: "OHIF Brush",
  SegmentedPropertyCategoryCodeSequence: code("85756007", "Tissue"),
  SegmentedPropertyTypeCodeSequence: code("85756007", "Tissue"),
});

function labelmapOf(sources, masks) {
  const labelmaps2D = [];
  const present = new Set();
  let index = 0;
  sources.forEach((source, number) => {
    for (let frame = 1; frame <= source.frames; frame += 1, index += 1) {
      const encoded = masks[`${number}/${frame}`];
      if (!encoded) continue;
      const pixelData = Uint8Array.from(Buffer.from(encoded, "base64"));
      const segments = [...new Set(pixelData)].filter(Boolean);
      segments.forEach((segment) => present.add(segment));
      const { rows, columns } = source;
      labelmaps2D[index] = { pixelData, rows, columns, segmentsOnLabelmap: segments };
    }
  });
  const metadata = [];
  for (const segment of present) metadata[segment] = described(segment);
  return { labelmaps2D, metadata, segmentsOnLabelmap: [...present] };
}

function write({ file, sources, sopClass, syntax, masks }) {
  const metadata = providerOf(sources, true); // without a place in the patient the export throws
  const sizes = sources.flatMap((one) => Array(one.frames).fill(one.rows * one.columns));
  const images = imageIdsOf(sources).map((imageId, index) => ({
    imageId,
    voxelManager: { getScalarData: () => new Uint16Array(sizes[index]) },
  }));
  const options = { sopClassUID: sopClass, transferSyntaxUID: syntax };
  const { dataset } = generateSegmentation(images, labelmapOf(sources, masks), metadata, options);
  writeFileSync(file, Buffer.from(dcmjs.data.datasetToDict(dataset).write()));
}

const answers = JSON.parse(readFileSync(0, "utf8")).map((job) => {
  try {
    write(job);
    return null;
  } catch (error) {
    return { error: String(error.stack) };
  }
});
process.stdout.write(JSON.stringify(answers), () => process.exit(0));
