// The command line under test: the package as it is shipped, which `npm test` lays out once (tools/pack.mjs), or the sources
// as they are, where vitest was started by hand.
import { resolve } from 'node:path'

export const BIN = process.env.ROLLGATE_TEST_BIN ?? resolve(import.meta.dirname, '../../bin/dev.js')
