import { defineConfig } from 'vitest/config'

// Unit, contract, integration and crash tests. The lab's end-to-end suite has its own config
// (vitest.e2e.config.ts): it runs inside the lab's network and one file at a time.
// ROLLGATE_TALLY is set by tools/test.mjs, which adds the counts up.
const tally = process.env.ROLLGATE_TALLY

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/e2e/**', 'test/lab/**', 'node_modules/**'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    env: { NO_COLOR: '1', TZ: 'UTC' },
    reporters: tally === undefined ? ['default'] : ['default', ['./tools/tally.mjs', { file: tally }]],
  },
})
