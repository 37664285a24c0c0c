import { defineConfig } from 'vitest/config'

// The end-to-end suite, on the lab's real hosts: all files share one fleet, so one file at a time. Run by
// tools/test.mjs inside `lab run`; without a lab its suites are skipped by name.
const tally = process.env.ROLLGATE_TALLY

export default defineConfig({
  test: {
    include: ['test/e2e/**/*.test.ts'],
    // Long forms wait for minutes on purpose.
    testTimeout: process.env.ROLLGATE_FULL === '1' ? 900_000 : 180_000,
    hookTimeout: 120_000,
    fileParallelism: false,
    maxWorkers: 1,
    env: { NO_COLOR: '1', TZ: 'UTC' },
    reporters: tally === undefined ? ['verbose'] : ['verbose', ['./tools/tally.mjs', { file: tally }]],
  },
})
