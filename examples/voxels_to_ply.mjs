// Writes the newest occupied cells of a stereo stream as a PLY file, over and over: open it in MeshLab, CloudCompare or Blender.
import { rename, writeFile } from 'node:fs/promises';
import { connect, OccupancyDecoder } from 'lynceus/client';

const url = process.argv[2] ?? 'ws://127.0.0.1:7272/ws/v1';
const path = process.argv[3] ?? 'occupied.ply';
const wanted = Number(process.env.FRAMES ?? Infinity);

// One decoder a stream: each has its own keyframes.
const decoders = new Map();
let count = 0;
let writing;
const client = connect(url, {
  occupancy: true,
  // The cells are all that is wanted of a frame.
  fields: [],
  maxRate: 2,
  ...(process.env.LYNCEUS_TOKEN ? { token: process.env.LYNCEUS_TOKEN } : {}),
  // A new connection begins with a keyframe: nothing is to be forgotten here.
  onOccupancy: (message) => {
    const decoder = decoders.get(message.stream) ?? new OccupancyDecoder();
    decoders.set(message.stream, decoder);
    if (!decoder.follow(message) || writing) return;
    writing = write(message, decoder.voxels()).finally(() => (writing = undefined));
  },
});
process.once('SIGINT', () => void client.close());

async function write({ stream, seq }, { side, sizeM, cells, centresM }) {
  const rows = Array.from(cells, (_, i) => `${centresM.subarray(3 * i, 3 * i + 3).join(' ')}\n`);
  const head = ['ply', 'format ascii 1.0', `comment centres of occupied cells of ${sizeM} m, metres; x right, y down, z ahead`, `element vertex ${cells.length}`, 'property float x', 'property float y', 'property float z', 'end_header', ''];
  // Whoever reads the file meanwhile gets the older one whole.
  await writeFile(`${path}.part`, head.join('\n') + rows.join(''));
  await rename(`${path}.part`, path);
  console.log(`${stream} #${seq}  ${cells.length} cells of ${sizeM} m (${side} a side) -> ${path}`);
  if (++count >= wanted) await client.close();
}
