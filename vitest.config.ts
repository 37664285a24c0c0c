import { defineConfig } from 'vitest/config'

// Unit, contract, integration and crash tests. The lab's end-to-end suite has its own config
// (vitest.e2e.config.ts): it runs inside the lab's network and one file at a time.
// ROLLGATE_TALLY is set by tools/test.mjs, which adds the counts up.
const tally = process.env.ROLLGATE_TALLY

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/e2e/**', 'test/lab/**', 'node_modules/**'],
    // Of a machine that does several things at once: a test that hangs hangs for longer than this.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    env: { NO_COLOR: '1', TZ: 'UTC' },
    reporters: tally === undefined ? ['default'] : ['default', ['./tools/tally.mjs', { file: tally }]],
  },
})
