import type { OccupiedLevel } from './look-at-boxes.js';
import { boundsOf } from './sectors.js';

export type PlyFormat = 'ascii' | 'binary_little_endian';

/** x, y, z and confidence are floats, the level an `int`: what every reader knows. */
const VERTEX_BYTES = 5 * 4;

/**
 * Occupied cells as a PLY file (Turk 1994): a vertex for each, at the cell's centre in the left camera's axes (metres; x right, y down, z ahead), with cells a
 * side as `level` and `confidence`, 0 to 1. The edge of a cell is `range / level`; a comment has the range.
 *
 * @param confidence in 255ths, of each cell; all 1 where absent.
 */
export function toPly(occupied: OccupiedLevel, format: PlyFormat, confidence?: Uint8Array): Uint8Array {
  const rows = Array.from(occupied.cells, (cell, i) => vertexOf(occupied, cell, (confidence?.[i] ?? 255) / 255));
  const header = new TextEncoder().encode(headerOf(occupied, format));
  const body = format === 'ascii' ? new TextEncoder().encode(rows.map((row) => `${row.map((value) => Number(value.toFixed(6))).join(' ')}\n`).join('')) : toBinary(rows);
  const file = new Uint8Array(header.length + body.length);
  file.set(header);
  file.set(body, header.length);
  return file;
}

type Vertex = readonly [x: number, y: number, z: number, confidence: number, level: number];

function vertexOf({ grid, side }: OccupiedLevel, cell: number, confidence: number): Vertex {
  const { left, right, top, bottom, near, far } = boundsOf(grid, side, cell);
  return [(left + right) / 2, (top + bottom) / 2, (near + far) / 2, confidence, side];
}

function headerOf({ grid, cells }: OccupiedLevel, format: PlyFormat): string {
  const properties = ['float x', 'float y', 'float z', 'float confidence', 'int level'].map((property) => `property ${property}`);
  const comment = `comment occupied cells, metres; range ${grid.rangeM}, bottom ${grid.bottomM}`;
  return `${['ply', `format ${format} 1.0`, comment, `element vertex ${cells.length}`, ...properties, 'end_header'].join('\n')}\n`;
}

function toBinary(rows: readonly Vertex[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(rows.length * VERTEX_BYTES));
  rows.forEach(([x, y, z, confidence, level], i) => {
    [x, y, z, confidence].forEach((value, at) => view.setFloat32(i * VERTEX_BYTES + 4 * at, value, true));
    view.setInt32(i * VERTEX_BYTES + 16, level, true);
  });
  return new Uint8Array(view.buffer);
}
