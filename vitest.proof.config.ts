import { defineConfig } from 'vitest/config';

/** Proofs that measure times on this machine: `npm run prove`, with nothing else at work. The test suite has none of these. */
export default defineConfig({
  test: {
    include: ['test/**/*.proof.ts'],
    globalSetup: ['test/global-setup.ts'],
    hookTimeout: 60_000,
    maxWorkers: 1,
  },
});
