// Compiled code of ours, kept for all runs of the tests: each operator has a home of his own, and a start that finds nothing
// compiled takes more than twice the processor's time.
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const COMPILED = { NODE_COMPILE_CACHE: join(tmpdir(), 'rollgate-test-compiled') } as const
