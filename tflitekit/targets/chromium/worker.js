// Runs one file in this page as the kit tells it to: see page.py, which calls the functions of `kit`.
import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";

const ARRAYS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };
const HARNESS_CALLS = 2000;
const IO_CALLS = 50;

const faults = [];
let runtime, options, content, model, given, marked;

const describe = (details) =>
  details.map(({ name, dtype, shape }) => ({ name, dtype, shape: [...shape], size: shape.reduce((a, b) => a * b, 1) }));
const bytes = async (url) => (await fetch(`../${url}`)).arrayBuffer();
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const release = (tensors) => tensors.forEach((tensor) => tensor.delete());
const fetched = (tensors) => Promise.all(tensors.map((tensor) => tensor.data()));

/** Splits bytes that hold the values of one input after the other. */
function columns(buffer, inputs, batches) {
  let end = 0;
  return inputs.map(({ dtype, size }) => {
    const length = size * batches * ARRAYS[dtype].BYTES_PER_ELEMENT;
    return new ARRAYS[dtype](buffer.slice(end, (end += length)));
  });
}

function tensors(values, index = 0) {
  return model.inputs.map(({ shape, size }, i) => new Tensor(values[i].subarray(index * size, (index + 1) * size), shape));
}

async function compile() {
  model?.compiled.delete();
  const compiled = await loadAndCompile(content, options);
  model = { compiled, inputs: describe(compiled.getInputDetails()), outputs: describe(compiled.getOutputDetails()) };
}

/** Calls at least so often and so long; returns nanoseconds of each call, and last of all together. */
async function time(call, after, runs, seconds) {
  const samples = [];
  const begin = performance.now();
  const end = begin + seconds * 1000;
  let stop;
  do {
    const start = performance.now();
    const found = await call();
    stop = performance.now();
    after(found);
    samples.push(Math.round((stop - start) * 1e6));
  } while (stop < end || samples.length < runs);
  return [...samples, Math.round((stop - begin) * 1e6)];
}

/** Runs once; a GPU has finished when this has. */
async function invoke() {
  const found = await model.compiled.run(given);
  if (options.accelerator === "webgpu") await runtime.getWebGpuDevice().queue.onSubmittedWorkDone();
  return found;
}

/** Throws where the GPU refused what the runtime gave it: the runtime goes on then, and its outputs are wrong. */
async function checkGpu() {
  if (options.accelerator !== "webgpu") return;
  await runtime.getWebGpuDevice().queue.onSubmittedWorkDone();
  if (faults.length) throw new Error(`the GPU refuses what the runtime gives it, and the outputs are wrong: ${faults[0].split("\n")[0]}`);
}

const typical = async (call) => median((await time(call, () => {}, IO_CALLS, 0)).slice(0, -1)) / 1e3;

globalThis.kit = {
  async adapter() {
    const found = await navigator.gpu?.requestAdapter();
    return found ? { vendor: found.info.vendor, architecture: found.info.architecture, emulated: found.info.isFallbackAdapter } : null;
  },

  /** Takes so much memory, by which the kit finds the process of this page; gives back what it took before. */
  mark(size) {
    marked = new Uint8Array(size).fill(1);
    return marked.length;
  },

  cores: () => navigator.hardwareConcurrency,

  async start(accelerator, threads) {
    options = accelerator === "webgpu" ? { accelerator } : { accelerator, cpuOptions: { numThreads: threads } };
    runtime = await loadLiteRt("../npm/@litertjs/core/wasm/", { threads: threads > 1, jspi: accelerator === "webgpu" });
    runtime.getWebGpuDevice()?.addEventListener("uncapturederror", ({ error }) => faults.push(error.message));
    return { isolated: crossOriginIsolated };
  },

  async load(url) {
    content = new Uint8Array(await bytes(url));
    const start = performance.now();
    await compile();
    const init = performance.now() - start;
    return { init_us: init * 1e3, inputs: model.inputs, outputs: model.outputs, full: model.compiled.isFullyAccelerated };
  },

  /** Keeps one batch to measure with, and runs for the first time. */
  async first(url) {
    given = tensors(columns(await bytes(url), model.inputs, 1));
    const start = performance.now();
    release(await invoke());
    const first = performance.now() - start;
    await checkGpu();
    const nothing = (await time(async () => {}, () => {}, HARNESS_CALLS, 0)).slice(0, -1);
    const steps = nothing.filter((step) => step > 0);
    return { first_us: first * 1e3, harness_us: median(nothing) / 1e3, timer_us: Math.min(1e9, ...steps) / 1e3 };
  },

  time: (runs, seconds) => time(invoke, release, runs, seconds),

  async facts() {
    const found = await invoke();
    const values = await fetched(given);
    const input_us = await typical(async () => release(tensors(values)));
    const output_us = await typical(() => fetched(found));
    release(found);
    return { input_us, output_us };
  },

  /** Computes samples; `anew` forgets between them what operators keep. */
  async samples(from, to, batches, anew) {
    const values = columns(await bytes(from), model.inputs, batches);
    const results = model.outputs.map(({ dtype, size }) => new ARRAYS[dtype](size * batches));
    for (let index = 0; index < batches; index++) {
      if (anew) await compile();
      const batch = tensors(values, index);
      const found = await model.compiled.run(batch);
      (await fetched(found)).forEach((column, i) => results[i].set(column, index * model.outputs[i].size));
      release([...batch, ...found]);
    }
    await checkGpu();
    await fetch(`../${to}`, { method: "POST", body: new Blob(results) });
  },
};
