// Loads a bundle of tflitekit, proves that this browser computes what the host computed, and classifies images.
//
//   import { openBundle } from "./classifier.js";
//   const classifier = await openBundle("/models/digits/", { wasm: "/node_modules/@litertjs/core/wasm/" });
//   const [best] = await classifier.classify(file);  // a File, Blob, image, canvas or video: { index, label, score }

import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";
import { imageLayout, normalize, roundHalfEven, toPixels } from "./image.js";

const ARRAYS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array }; // what LiteRT.js takes
const SCHEMA_VERSION = 2; // the newest; 1 has no reader
let runtime;

/** Opens the bundle at a URL that ends in a slash: its recommended variant, or the one that is named. */
export async function openBundle(url, { variant, wasm = new URL("runtime/core/wasm/", import.meta.url).href } = {}) {
  const base = new URL(url, document.baseURI);
  const bundle = await (await request(new URL("bundle.json", base))).json();
  if (!(bundle.schema_version <= SCHEMA_VERSION)) throw new Error(`The bundle has version ${bundle.schema_version}; this page reads up to ${SCHEMA_VERSION}.`);
  const chosen = bundle.variants.find(({ name }) => name === (variant ?? bundle.recommended));
  if (!chosen) throw new Error(`The bundle has no variant '${variant ?? bundle.recommended}'.`);
  for (const { name, dtype } of [...chosen.inputs, ...chosen.outputs]) {
    if (!ARRAYS[dtype]) throw new Error(`'${name}' of the variant '${chosen.name}' is ${dtype}; a browser takes ${Object.keys(ARRAYS).join(", ")}.`);
  }
  const content = await read(base, chosen);
  await (runtime ??= loadLiteRt(wasm));
  return new Classifier(base, bundle, chosen, await loadAndCompile(content, { accelerator: "wasm" }));
}

export class Classifier {
  constructor(base, bundle, variant, model) {
    Object.assign(this, { base, bundle, variant, model });
    this.takesImages = bundle.input_kind === "image";
    this.classifies = this.takesImages && ["classification", "binary"].includes(bundle.task);
    this.decodes = Boolean(bundle.reader); // run(inputs) gives raw values, which bundle.reader says how to decode
    if (this.takesImages) this.layout = imageLayout(variant.inputs[0].shape.slice(1));
  }

  /** Returns the classes with the highest scores, the best first. */
  async classify(source, count = this.bundle.golden.top_k) {
    const outputs = await this.run([this.stored(await this.pixels(source))]);
    const scores = this.scores(outputs[this.variant.primary_output]);
    const order = [...scores.keys()].sort((a, b) => scores[b] - scores[a] || a - b).slice(0, count);
    return order.map((index) => ({ index, label: this.bundle.labels?.[index] ?? `class ${index}`, score: scores[index] }));
  }

  /** Replays the golden samples; yields for each what is wrong with it (nothing, if all is well) and the largest difference. */
  async *verify() {
    for (const sample of this.bundle.golden.samples) {
      const golden = sample.results.find(({ variant }) => variant === this.variant.name);
      const inputs = await Promise.all(golden.inputs.map((entry) => this.array(entry)));
      const problems = [];
      if (sample.image) {
        const pixels = await this.pixels(new Blob([await read(this.base, sample.image)]));
        if (!same(pixels, await this.array(sample.pixels))) problems.push("the image becomes other pixels");
        else if (!same(this.stored(pixels), inputs[0])) problems.push("the pixels become another input");
      }
      let largest = 0;
      for (const [i, values] of (await this.run(inputs)).entries()) {
        const { max_difference: most, unit } = this.variant.tolerances[i].cpu; // WebAssembly runs the CPU's kernels
        const expected = await this.array(golden.outputs[i]);
        const difference = expected.reduce((most, value, at) => Math.max(most, Math.abs(value - values[at])), 0);
        largest = Math.max(largest, difference);
        const allowed = unit === "steps" || !quantized(this.variant.outputs[i]) ? most : most / this.variant.outputs[i].quantization.scale[0];
        if (most !== null && !(difference <= allowed)) problems.push(`output ${i} is ${difference} off; ${allowed} is allowed`);
      }
      yield { name: sample.name, problems, largest };
    }
  }

  /** Runs the model on stored values; returns those of all outputs. Both in the order of bundle.json. */
  async run(inputs) {
    const given = Object.fromEntries(this.model.getInputDetails().map(({ name, shape }, position) => {
      const named = this.variant.inputs.findIndex((spec) => spec.name === name);
      return [name, new Tensor(inputs[named < 0 ? position : named], [...shape])];
    }));
    const found = await this.model.run(given);
    const tensors = Object.values(found);
    const values = await Promise.all(this.variant.outputs.map(({ name }, position) => (found[name] ?? tensors[position]).data()));
    for (const tensor of [...Object.values(given), ...tensors]) tensor.delete();
    return values;
  }

  /** Returns the real scores of all classes. */
  scores(stored) {
    const spec = this.variant.outputs[this.variant.primary_output];
    const [scale, zero] = quantized(spec) ? [Math.fround(spec.quantization.scale[0]), spec.quantization.zero_point[0]] : [1, 0];
    const values = Float32Array.from(stored, (value) => Math.fround(scale * (value - zero)));
    if (this.bundle.task !== "binary") return values;
    return Float32Array.of(this.bundle.output_meaning === "probabilities" ? 1 - values[0] : -values[0], values[0]);
  }

  /** Turns an image into pixels as the model's input has them, before normalization. */
  async pixels(source) {
    return toPixels(await decode(source), this.bundle.preprocessing, this.layout);
  }

  /** Normalizes pixels and stores them in the type of the input. */
  stored(pixels) {
    const spec = this.variant.inputs[0];
    const values = normalize(pixels, this.bundle.preprocessing, this.layout);
    if (spec.dtype === "float32") return values;
    if (!quantized(spec)) return ARRAYS[spec.dtype].from(values);
    const scale = Math.fround(spec.quantization.scale[0]);
    const store = (value) => Math.min(255, Math.max(0, roundHalfEven(Math.fround(value / scale)) + spec.quantization.zero_point[0]));
    return Uint8Array.from(values, store);
  }

  async array(entry) {
    return new ARRAYS[entry.dtype]((await read(this.base, entry)).buffer);
  }
}

const quantized = (spec) => spec.dtype !== "float32" && Boolean(spec.quantization?.scale.length);
const same = (a, b) => a.length === b.length && a.every((value, i) => value === b[i]);

async function request(url) {
  const response = await fetch(url, { cache: "no-cache" }); // a new bundle at the same place is not mixed with the old one
  if (!response.ok) throw new Error(`The bundle lacks ${url.pathname} (HTTP ${response.status}).`);
  return response;
}

/** Reads a file of the bundle and refuses one that has changed. */
async function read(base, { file, sha256 }) {
  const content = new Uint8Array(await (await request(new URL(file, base))).arrayBuffer());
  if (!crypto.subtle) throw new Error("A browser checks files only in pages from https or localhost.");
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  const hex = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (hex !== sha256) throw new Error(`${file} is not the file that the bundle was made with. Make the bundle again, or copy it again.`);
  return content;
}

/** Decodes an image as its file stores it: no rotation by EXIF, no color profile, as tflitekit does. */
export async function decode(source) {
  const options = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const image = source instanceof Blob ? await createImageBitmap(await withoutExif(source), options) : source;
  const canvas = document.createElement("canvas");
  canvas.width = image.videoWidth || image.naturalWidth || image.width;
  canvas.height = image.videoHeight || image.naturalHeight || image.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  if (source instanceof Blob) image.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** Leaves the segments APP1 out of a JPEG: browsers would turn the image as its EXIF says. */
async function withoutExif(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return blob;
  const parts = [bytes.subarray(0, 2)];
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda) {
    const end = at + 2 + (bytes[at + 2] << 8) + bytes[at + 3];
    if (bytes[at + 1] !== 0xe1) parts.push(bytes.subarray(at, end));
    at = end;
  }
  return new Blob([...parts, bytes.subarray(at)]);
}
