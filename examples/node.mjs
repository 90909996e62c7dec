// Prints a line for each frame: stream, number, latency, what was found. Reconnects by itself.
import { connect } from 'lynceus/client';

const url = process.argv[2] ?? 'ws://127.0.0.1:7272/ws/v1';
const wanted = Number(process.env.FRAMES ?? Infinity);

const client = connect(url, {
  streams: ['*'],
  // Only what is needed: messages are a third of the size without the timings.
  fields: ['detections', 'end_to_end_ms'],
  maxRate: 30,
  ...(process.env.LYNCEUS_TOKEN ? { token: process.env.LYNCEUS_TOKEN } : {}),
  onState: (state) => console.error(state.state === 'waiting' ? `connection lost (${state.code}), next try in ${Math.round(state.retryInMs)} ms` : state.state),
  onEvent: (event) => console.error(`${event.stream} is ${event.state}: ${event.message}`),
});
process.once('SIGINT', () => void client.close());

let count = 0;
for await (const frame of client) {
  const found = frame.detections.map(({ label, score, bbox }) => `${label} ${score.toFixed(2)} [${bbox.map(Math.round).join(' ')}]`);
  console.log(`${frame.stream} #${frame.seq} ${frame.end_to_end_ms.toFixed(1)} ms  ${found.join(', ') || '-'}`);
  if (++count >= wanted) break;
}
await client.close();
