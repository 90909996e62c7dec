import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tinyDetector, type TinyBox } from '../fixtures/tiny-onnx.js';

/** Side of the grid of boxes that don't overlap: so many are kept, and each of the others is compared with all of them. */
const GRID = 30;
const COPIES = 120;
const PITCH = 8;

/**
 * A folder with a detector whose post-processing depends on what it sees: in a bright picture it finds 108,000 boxes, in a dark one none.
 * Its inference is a mean of the picture, which takes no time.
 */
export function contentModelFolder(parent: string): string {
  const boxes: TinyBox[] = [];
  for (let copy = 0; copy < COPIES; copy += 1) {
    for (let i = 0; i < GRID * GRID; i += 1) {
      const x = (i % GRID) * PITCH;
      const y = Math.floor(i / GRID) * PITCH;
      boxes.push({ xyxy: [x, y, x + PITCH - 2, y + PITCH - 2], classId: 0, brightness: 'g' });
    }
  }
  const { manifest, original } = tinyDetector({ width: 240, height: 240, boxes });
  const folder = join(parent, 'many-boxes');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, manifest.file), original);
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, id: 'many-boxes' }));
  return folder;
}
