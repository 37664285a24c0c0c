// Load tools of other people, where this machine has them. A suite that needs one is skipped by name where it is missing:
// `describe.skipIf(tool === null)` with the reason in the name.
import { accessSync, constants } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Its path: from the environment (`ROLLGATE_TEST_VEGETA`), the PATH, or where `go install` puts it; null: not here. */
export function loadTool(name: string): string | null {
  const named = process.env[`ROLLGATE_TEST_${name.toUpperCase()}`]
  const places = [...(process.env.PATH ?? '').split(':').map((folder) => join(folder, name)), join(homedir(), 'go', 'bin', name)]
  return (named === undefined ? places : [named]).find(isProgram) ?? null
}

export const missing = (name: string, tool: string | null): string => (tool === null ? ` (SKIPPED: ${name} is not installed here)` : '')

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
