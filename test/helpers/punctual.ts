// Tests of gates share the machine with other tests, and a generator that waits for a core sends late, which makes its run
// INVALID (as it should). Where it is allowed (root on Linux), what measures goes before everybody else, with all of its threads.
import { spawnSync } from 'node:child_process'

const isAllowed = process.platform === 'linux' && spawnSync('chrt', ['-r', '1', 'true']).status === 0

/** The same program and words, ahead of everything else on this machine. */
export function punctually(program: string, words: readonly string[]): readonly [string, readonly string[]] {
  return isAllowed ? ['chrt', ['-r', '1', program, ...words]] : [program, words]
}
