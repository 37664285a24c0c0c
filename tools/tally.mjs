// A reporter for vitest that only counts: tests passed, failed and skipped by suite, how long each file took, and the
// names of what was skipped. It writes one JSON file, which tools/test.mjs adds up. A file that cannot be loaded, an
// error outside of every test and a failing hook count as failures: none of them may end in "0 failed".
import { writeFileSync } from 'node:fs'

export default class Tally {
  constructor(options) {
    this.file = options.file
  }

  onTestRunEnd(modules, unhandledErrors) {
    const files = modules.map((module) => {
      const tests = [...module.children.allTests()]
      const count = (state) => tests.filter((test) => test.result().state === state).length
      const failed = count('failed')
      // The module's own word counts when no test of it says why it failed.
      const broken = module.state() === 'failed' && failed === 0 ? 1 : 0
      return {
        path: module.relativeModuleId,
        ms: Math.round(module.diagnostic().duration),
        passed: count('passed'),
        failed: failed + broken,
        skipped: tests.filter((test) => test.result().state === 'skipped').map(skippedName),
      }
    })
    writeFileSync(this.file, JSON.stringify({ files, unhandled: unhandledErrors.length }))
  }
}

/** The outermost suite that is skipped as a whole, else the test itself. */
function skippedName(test) {
  let name = test.fullName
  for (let parent = test.parent; parent.type === 'suite'; parent = parent.parent) {
    if (parent.options.mode === 'skip') name = parent.fullName
  }
  return name
}
