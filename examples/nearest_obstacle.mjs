// Prints a line for each pair of pictures of a stereo stream: the nearest obstacle by sector, in metres. Needs no voxels.
import { connect } from 'lynceus/client';

const url = process.argv[2] ?? 'ws://127.0.0.1:7272/ws/v1';
const wanted = Number(process.env.FRAMES ?? Infinity);

const client = connect(url, {
  fields: ['occupancy'],
  maxRate: 10,
  ...(process.env.LYNCEUS_TOKEN ? { token: process.env.LYNCEUS_TOKEN } : {}),
});
process.once('SIGINT', () => void client.close());

let count = 0;
for await (const { stream, seq, occupancy } of client) {
  // A stream of one camera has none.
  if (!occupancy) continue;
  console.log(`${stream} #${seq}  ${'code' in occupancy ? `nothing new: ${occupancy.message} (${occupancy.code})` : sectors(occupancy.nearest)}`);
  if (++count >= wanted) break;
}
await client.close();

/** `-40° 12.3 | -35° - | ...`: the middle of each sector, negative to the left, and how far the nearest obstacle in it is. */
function sectors({ from_deg: fromDeg, to_deg: toDeg, distance_m: distances }) {
  const middleDeg = (i) => fromDeg + ((toDeg - fromDeg) * (i + 0.5)) / distances.length;
  return distances.map((distanceM, i) => `${middleDeg(i).toFixed(0)}° ${distanceM === null ? '-' : distanceM.toFixed(1)}`).join(' | ');
}
