import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateSync } from "node:zlib";

/**
 * Draws the toolbar icons into public/icons: one shape per state, so that none is known by its colour alone.
 * Run it by hand after a change: `node extension/icons/draw.ts`.
 */

type Rgba = readonly [number, number, number, number];
type Paint = (x: number, y: number) => boolean;

const SAMPLES = 4;
const ink: Record<string, Rgba> = {
  off: [110, 118, 129, 255],
  connecting: [31, 95, 191, 255],
  on: [31, 95, 191, 255],
  blocked: [180, 35, 24, 255],
  conflict: [154, 103, 0, 255],
};

const within = (x: number, y: number, radius: number): boolean => Math.hypot(x - 0.5, y - 0.5) <= radius;
const ring: Paint = (x, y) => within(x, y, 0.46) && !within(x, y, 0.34);

/** Coordinates run from 0 to 1, the origin at the top left. */
const shapes: Record<string, Paint> = {
  off: ring,
  connecting: (x, y) => ring(x, y) && (x > 0.5 || y > 0.5),
  on: (x, y) => ring(x, y) || within(x, y, 0.2),
  blocked: (x, y) => Math.max(Math.abs(x - 0.5), Math.abs(y - 0.5)) <= 0.44 && Math.abs(y - 0.5) > 0.09,
  conflict: (x, y) => y >= 0.08 && y <= 0.92 && Math.abs(x - 0.5) <= (y - 0.08) * 0.56 && !mark(x, y),
};

function mark(x: number, y: number): boolean {
  return Math.abs(x - 0.5) <= 0.055 && ((y > 0.38 && y < 0.66) || (y > 0.72 && y < 0.82));
}

function pixels(shape: Paint, colour: Rgba, size: number): Buffer {
  const rows = Buffer.alloc(size * (size * 4 + 1));
  for (let row = 0; row < size; row += 1) {
    for (let column = 0; column < size; column += 1) {
      const at = row * (size * 4 + 1) + 1 + column * 4;
      rows.set(
        [colour[0], colour[1], colour[2], Math.round(colour[3] * coverage(shape, column, row, size))],
        at,
      );
    }
  }
  return rows;
}

function coverage(shape: Paint, column: number, row: number, size: number): number {
  let hits = 0;
  for (let sample = 0; sample < SAMPLES * SAMPLES; sample += 1) {
    const dx = ((sample % SAMPLES) + 0.5) / SAMPLES;
    const dy = (Math.floor(sample / SAMPLES) + 0.5) / SAMPLES;
    if (shape((column + dx) / size, (row + dy) / size)) hits += 1;
  }
  return hits / (SAMPLES * SAMPLES);
}

function crc32(data: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const frame = Buffer.alloc(body.length + 8);
  frame.writeUInt32BE(data.length, 0);
  body.copy(frame, 4);
  frame.writeUInt32BE(crc32(body), body.length + 4);
  return frame;
}

/** A PNG of eight bits a channel with alpha (RFC 2083). */
function png(rows: Buffer, size: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([8, 6, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

for (const [state, shape] of Object.entries(shapes)) {
  for (const size of [16, 32, 48, 128]) {
    const file = join(import.meta.dirname, "..", "public", "icons", `${state}-${size}.png`);
    writeFileSync(file, png(pixels(shape, ink[state] ?? [0, 0, 0, 255], size), size));
  }
}
