import { Session } from '../../inference/session.js';

/** Inferences until the arena has its final size. */
const RUNS = 3;

try {
  const before = process.memoryUsage().rss;
  const session = await Session.load({ modelPath: process.argv[2]!, threads: 1, warmupRuns: RUNS });
  process.stdout.write(String(process.memoryUsage().rss - before));
  await session.release();
} catch (error) {
  process.stderr.write((error as Error).message);
  process.exitCode = 1;
}
