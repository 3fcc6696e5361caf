// From an image to a model's input, to the bit as tflitekit prepares it in Python: crop and resize as Pillow 13 does, then
// (pixel / divisor - mean) / std in float32. See "preprocessing" in bundle.json.

/** Reads a tensor's shape, without its batch, as that of an image. */
export function imageLayout(shape) {
  if (shape.length === 2 && shape[0] === shape[1]) return { height: shape[0], width: shape[1], channels: 1 };
  if (shape.length === 3 && [1, 3, 4].includes(shape[2])) return { height: shape[0], width: shape[1], channels: shape[2] };
  if (shape.length === 3 && [1, 3, 4].includes(shape[0])) return { height: shape[1], width: shape[2], channels: shape[0], first: true };
  throw new Error(`A tensor of shape ${shape.join(" x ")} is not an image.`);
}

/**
 * Crops and resizes.
 * @param {ImageData} image
 * @param preprocessing of bundle.json
 * @param layout of imageLayout
 * @returns {Uint8Array} 0 to 255, in the order of the model's input
 */
export function toPixels(image, preprocessing, layout) {
  const box = keptPart(image.width, image.height, preprocessing, layout);
  const cropped = channelsOf(image, box, layout.channels);
  const pad = preprocessing.fit === "pad";
  const scale = Math.min(layout.width / box.width, layout.height / box.height);
  const width = pad ? atLeastOne(box.width * scale) : layout.width;
  const height = pad ? atLeastOne(box.height * scale) : layout.height;
  const resized = resize(cropped, width, height, layout.channels, preprocessing.resize);
  return arrange(resized, layout, preprocessing.color === "bgr" && layout.channels === 3);
}

/** Normalizes pixels in float32; channels repeat with `stride` as they lie in the model's input. */
export function normalize(pixels, { divisor, mean, std }, layout) {
  const values = new Float32Array(pixels.length);
  const plane = layout.width * layout.height;
  const at = (list, channel) => Math.fround(list[channel % list.length]);
  for (let i = 0; i < pixels.length; i++) {
    const channel = layout.first ? Math.floor(i / plane) : i % layout.channels;
    const divided = Math.fround(pixels[i] / Math.fround(divisor));
    values[i] = Math.fround(Math.fround(divided - at(mean, channel)) / at(std, channel));
  }
  return values;
}

/** Rounds as Python does: halves go to the even neighbour. */
export function roundHalfEven(value) {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

const atLeastOne = (size) => Math.max(1, roundHalfEven(size));

function keptPart(imageWidth, imageHeight, { crop_fraction, fit }, layout) {
  let width = atLeastOne(imageWidth * crop_fraction);
  let height = atLeastOne(imageHeight * crop_fraction);
  if (fit === "center_crop") {
    const ratio = layout.width / layout.height;
    [width, height] = [Math.min(width, atLeastOne(height * ratio)), Math.min(height, atLeastOne(width / ratio))];
  }
  return { left: (imageWidth - width) >> 1, top: (imageHeight - height) >> 1, width, height };
}

/** Cuts a part out of RGBA pixels, as grey (luma of ITU-R 601-2, as Pillow rounds it), RGB or RGBA. */
function channelsOf({ data, width: rowLength }, { left, top, width, height }, channels) {
  const values = new Uint8Array(width * height * channels);
  for (let y = 0, to = 0; y < height; y++) {
    for (let from = 4 * ((top + y) * rowLength + left), x = 0; x < width; x++, from += 4) {
      if (channels === 1) values[to++] = (data[from] * 19595 + data[from + 1] * 38470 + data[from + 2] * 7471 + 0x8000) >> 16;
      else for (let channel = 0; channel < channels; channel++) values[to++] = data[from + channel];
    }
  }
  return { values, width, height };
}

function resize(source, width, height, channels, filter) {
  if (source.width === width && source.height === height) return source;
  if (filter === "nearest") return nearest(source, width, height, channels);
  if (channels === 4) multiplyAlpha(source.values);
  const horizontal = (image) => (image.width === width ? image : resample(image, FILTERS[filter], width, channels, false));
  const vertical = (image) => (image.height === height ? image : resample(image, FILTERS[filter], height, channels, true));
  const fewerRows = source.height - height;
  const rowsFirst = fewerRows > 0 && fewerRows > 2 * (source.width - width); // Pillow's rule since version 13
  const found = rowsFirst ? horizontal(vertical(source)) : vertical(horizontal(source));
  if (channels === 4) divideAlpha(found.values);
  return found;
}

const sinc = (x) => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));
const FILTERS = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: {
    support: 2,
    weight(signed) {
      const x = Math.abs(signed);
      if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
    },
  },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};
const PRECISION = 22; // bits after the point of a weight

/** The weights of the input positions that one output position covers, in fixed point. */
function weightsAt(position, { support, weight }, scale, length) {
  const wide = Math.max(1, scale);
  const center = (position + 0.5) * scale;
  const begin = Math.max(0, Math.trunc(center - support * wide + 0.5));
  const end = Math.min(length, Math.trunc(center + support * wide + 0.5));
  const exact = [];
  for (let i = begin; i < end; i++) exact.push(weight((i - center + 0.5) * (1 / wide)));
  const sum = exact.reduce((a, b) => a + b, 0);
  const fixed = exact.map((one) => (sum ? one / sum : one) * 2 ** PRECISION);
  return { begin, weights: fixed.map((one) => Math.trunc(one < 0 ? one - 0.5 : one + 0.5)) };
}

/** Resizes one axis, and rounds to 8 bits. */
function resample(source, filter, length, channels, rows) {
  const width = rows ? source.width : length;
  const height = rows ? length : source.height;
  const values = new Uint8ClampedArray(width * height * channels);
  const before = rows ? source.height : source.width;
  const step = rows ? source.width * channels : channels;
  for (let position = 0; position < length; position++) {
    const { begin, weights } = weightsAt(position, filter, before / length, before);
    for (let other = 0; other < (rows ? width : height); other++) {
      const from = rows ? begin * step + other * channels : (other * source.width + begin) * channels;
      const to = (rows ? position * width + other : other * width + position) * channels;
      for (let channel = 0; channel < channels; channel++) {
        let sum = 1 << (PRECISION - 1);
        for (let i = 0; i < weights.length; i++) sum += source.values[from + i * step + channel] * weights[i];
        values[to + channel] = sum >> PRECISION;
      }
    }
  }
  return { values, width, height };
}

/** Takes the nearest pixel, at the places where Pillow takes it: sums of steps, black where rounding leaves the image. */
function nearest(source, width, height, channels) {
  const places = (length, before) => {
    const found = [];
    for (let i = 0, step = before / length, at = step * 0.5; i < length; i++, at += step) found.push(Math.trunc(at));
    return found;
  };
  const columns = places(width, source.width);
  const values = new Uint8Array(width * height * channels);
  places(height, source.height).forEach((row, y) =>
    columns.forEach((column, x) => {
      if (row >= source.height || column >= source.width) return;
      const from = (row * source.width + column) * channels;
      values.set(source.values.subarray(from, from + channels), (y * width + x) * channels);
    }),
  );
  return { values, width, height };
}

function multiplyAlpha(rgba) {
  for (let i = 0; i < rgba.length; i++) {
    if (i % 4 === 3) continue;
    const product = rgba[i] * rgba[i - (i % 4) + 3] + 128;
    rgba[i] = ((product >> 8) + product) >> 8;
  }
}

function divideAlpha(rgba) {
  for (let i = 0; i < rgba.length; i++) {
    const alpha = rgba[i - (i % 4) + 3];
    if (i % 4 !== 3 && alpha > 0 && alpha < 255) rgba[i] = Math.min(255, Math.trunc((255 * rgba[i]) / alpha));
  }
}

/** Puts an image into the middle of the model's input, in its order; the rest is black. */
function arrange({ values, width, height }, layout, reversed) {
  const { channels } = layout;
  const pixels = new Uint8Array(layout.width * layout.height * channels);
  const left = (layout.width - width) >> 1;
  const top = (layout.height - height) >> 1;
  for (let y = 0, from = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const place = (top + y) * layout.width + left + x;
      for (let channel = 0; channel < channels; channel++) {
        const to = reversed ? channels - 1 - channel : channel;
        pixels[layout.first ? to * layout.width * layout.height + place : place * channels + to] = values[from++];
      }
    }
  }
  return pixels;
}
