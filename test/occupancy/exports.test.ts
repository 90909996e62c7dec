import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cellAt, gridOf } from '../../src/core/voxel-grid.js';
import { toPly, type PlyFormat } from '../../src/occupancy/ply.js';
import { OTHER_OBJECT, toSemanticKitti } from '../../src/occupancy/semantic-kitti.js';
import { arbitraryCells } from './arbitrary-cells.js';

const GRID = gridOf(32);

/** Vertices of a PLY file by the names of their properties, read by its header. */
function readPly(file: Uint8Array): Record<string, number>[] {
  const text = Buffer.from(file).toString('latin1');
  const end = text.indexOf('end_header\n') + 'end_header\n'.length;
  const lines = text.slice(0, end).split('\n');
  expect(lines[0]).toBe('ply');
  const format = lines[1]!.split(' ')[1];
  const count = Number(/element vertex (\d+)/.exec(text)![1]);
  const properties = lines.filter((line) => line.startsWith('property ')).map((line) => line.split(' ').slice(1) as ['float' | 'int', string]);
  if (format === 'ascii') {
    const rows = text.slice(end).split('\n').slice(0, -1);
    expect(rows).toHaveLength(count);
    return rows.map((row) => Object.fromEntries(row.split(' ').map((value, i) => [properties[i]![1], Number(value)])));
  }
  const body = Buffer.from(file.subarray(end));
  expect(body.length).toBe(count * properties.length * 4);
  return Array.from({ length: count }, (_, row) =>
    Object.fromEntries(properties.map(([type, name], i) => [name, type === 'int' ? body.readInt32LE(4 * (row * properties.length + i)) : body.readFloatLE(4 * (row * properties.length + i))])),
  );
}

test.each<PlyFormat>(['ascii', 'binary_little_endian'])('a PLY file (%s) has the centre, level and confidence of each cell', (format) => {
  fc.assert(
    fc.property(arbitraryCells(32, 50), fc.integer(), (cells, salt) => {
      const confidence = Uint8Array.from(cells, (cell) => Math.imul(cell, salt) >>> 24);
      const vertices = readPly(toPly({ grid: GRID, side: 32, cells }, format, confidence));
      expect(vertices.map(({ x, y, z }) => cellAt(GRID, 32, x!, y!, z!))).toEqual([...cells]);
      expect(vertices.map((vertex) => Math.round(255 * vertex['confidence']!))).toEqual([...confidence]);
      expect(vertices.every(({ level }) => level === 32)).toBe(true);
    }),
  );
  expect(readPly(toPly({ grid: GRID, side: 64, cells: Uint32Array.of(0) }, format))).toEqual([{ x: -15.75, y: -30.75, z: 0.25, confidence: 1, level: 64 }]);
});

/** As numpy.unpackbits does. */
function unpack(bits: Uint8Array): number[] {
  return Array.from({ length: bits.length * 8 }, (_, i) => (bits[i >> 3]! >> (7 - (i % 8))) & 1);
}

test("SemanticKITTI's files have x ahead, y to the left and z up", () => {
  const ahead = cellAt(GRID, 8, -15, 0.5, 31);
  const { bin, label, invalid } = toSemanticKitti(8, [ahead]);
  // Farthest ahead, furthest to the left, lowest.
  expect(unpack(bin).indexOf(1)).toBe((7 * 8 + 7) * 8 + 0);
  expect([bin.length, label.length, invalid.length, invalid.some(Boolean)]).toEqual([64, 1024, 64, false]);
});

test('what a reader of SemanticKITTI finds are the very cells', () => {
  fc.assert(
    fc.property(arbitraryCells(16, 100), arbitraryCells(16, 100), (cells, unknown) => {
      const isKnown = new Uint8Array(16 ** 3).fill(1);
      for (const cell of unknown) isKnown[cell] = 0;
      const { bin, label, invalid } = toSemanticKitti(16, cells, isKnown);
      const ours = (index: number): number => 15 - (Math.floor(index / 16) % 16) + 16 * (15 - (index % 16) + 16 * Math.floor(index / 256));
      const found = (bits: number[]): number[] => [...bits.keys()].filter((i) => bits[i] === 1).map(ours).sort((a, b) => a - b);
      expect(found(unpack(bin))).toEqual([...cells]);
      expect(found(unpack(invalid))).toEqual([...unknown]);
      const labels = Array.from({ length: 16 ** 3 }, (_, i) => Buffer.from(label).readUInt16LE(2 * i));
      expect(found(labels.map((value) => (value === OTHER_OBJECT ? 1 : 0)))).toEqual([...cells]);
      expect(new Set(labels).has(1)).toBe(false);
    }),
  );
});
