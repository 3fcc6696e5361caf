// The page around classifier.js: what the user does, and what is shown.
import { openBundle } from "./classifier.js";

const find = (id) => document.getElementById(id);
const show = (id, text) => (find(id).textContent = text);
let classifier, stream;
let asked = 0; // counts what is to be classified: an answer that comes late is not shown

function fail(error) {
  find("error").hidden = false;
  show("error", error.message);
}

function clearError() {
  find("error").hidden = true;
}

async function start() {
  const folder = document.querySelector("script[data-bundle]").dataset.bundle;
  classifier = await openBundle(folder);
  const { bundle, variant } = classifier;
  document.title = bundle.name;
  show("title", bundle.name);
  const kilobytes = Math.round(variant.size_bytes / 1000);
  show("about", `Variant ${variant.name}, ${kilobytes} kB, runs in this browser: nothing that you show it leaves your device.`);
  show("status", "Verifying the golden samples.");
  await verify();
  find("classify").hidden = !classifier.classifies;
  show("status", `Ready.${classifier.classifies ? "" : untried(bundle)}`);
}

function untried({ task, reader, sound }) {
  if (sound) return ` This model takes sounds, ${sound.rate.toLocaleString("en")} samples a second, which this page does not record: bundle.json says how they become its input.`;
  if (!reader) return " This model does not classify images, so there is nothing to try here.";
  const drawn = { detection: "boxes", segmentation: "masks", keypoints: "keypoints" }[task];
  return ` This page verifies the model's raw outputs and draws no ${drawn}: bundle.json says how the reader '${reader.name}' decodes them, and the demo app for Android draws them.`;
}

async function verify() {
  let count = 0;
  let largest = 0;
  for await (const sample of classifier.verify()) {
    count += 1;
    largest = Math.max(largest, sample.largest);
    for (const problem of sample.problems) find("problems").append(item(`Sample ${sample.name}: ${problem}.`));
  }
  const wrong = find("problems").childElementCount;
  if (wrong) return show("golden", "This browser does not compute what the host computed:");
  const how = largest ? `up to ${largest.toPrecision(2)} in an output, which is allowed` : "to the bit";
  show("golden", `All ${count} verified: this browser computes what the host computed, ${how}.`);
}

function item(text) {
  return Object.assign(document.createElement("li"), { textContent: text });
}

async function classify(source) {
  const number = (asked += 1);
  const found = await classifier.classify(source);
  if (number !== asked) return;
  const probabilities = classifier.bundle.output_meaning === "probabilities";
  find("classes").replaceChildren(...found.map(({ label, score }) => {
    const entry = item(label);
    entry.append(Object.assign(document.createElement("span"), { textContent: probabilities ? `${(100 * score).toFixed(1)} %` : score.toFixed(3) }));
    if (probabilities) entry.append(Object.assign(document.createElement("meter"), { value: score, ariaLabel: label }));
    return entry;
  }));
}

async function choose(file) {
  stopCamera();
  clearError();
  if (!file) return;
  URL.revokeObjectURL(find("photo").src);
  find("photo").src = URL.createObjectURL(file);
  find("photo").hidden = false;
  try {
    await classify(file);
  } catch (error) {
    find("photo").hidden = true;
    find("classes").replaceChildren();
    fail(error.name === "InvalidStateError" ? new Error(`${file.name} is not an image that this browser can read.`) : error);
  }
}

const CAMERA_PROBLEMS = {
  NotAllowedError: "The camera was denied. Allow it for this page in the browser's settings, or choose an image.",
  NotFoundError: "There is no camera. Choose an image instead.",
  NotReadableError: "Another program uses the camera. Close it, or choose an image.",
};

async function startCamera() {
  clearError();
  enable(false); // a second click, or a photo, while the browser asks for the camera would leave it on
  try {
    if (!navigator.mediaDevices) throw new Error("A browser opens the camera only in pages from https or localhost.");
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    return fail(new Error(CAMERA_PROBLEMS[error.name] ?? error.message));
  } finally {
    enable(true);
  }
  const own = stream;
  toggle(true);
  find("photo").hidden = true;
  find("video").srcObject = own;
  find("video").hidden = false;
  await find("video").play();
  while (stream === own) {
    if (!document.hidden) await classify(find("video"));
    await new Promise((done) => setTimeout(done, 100));
  }
}

function cameraFailed(error) {
  if (error.name === "AbortError") return; // stopped before the first picture came
  stopCamera();
  fail(error);
}

function stopCamera() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = undefined;
  find("video").hidden = true;
  toggle(false);
}

function enable(yes) {
  for (const name of ["camera", "file"]) find(name).disabled = !yes;
}

function toggle(on) {
  find("camera").setAttribute("aria-pressed", String(on));
  show("camera", on ? "Stop the camera" : "Use the camera");
}

find("file").addEventListener("change", ({ target }) => choose(target.files[0]));
find("camera").addEventListener("click", () => (stream ? stopCamera() : startCamera().catch(cameraFailed)));
start().catch((error) => {
  show("status", "The model cannot be used.");
  fail(error);
});
