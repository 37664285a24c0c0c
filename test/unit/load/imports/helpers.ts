// Reads files that the real tools wrote, with what the server counted in the same run beside them.
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseClause } from '../../../../src/domain/clause-parse.ts'
import { DEFAULT_CONFIDENCE } from '../../../../src/domain/gate.ts'
import { judgeImport } from '../../../../src/gate/imports.ts'
import { type ImportSource, readImports } from '../../../../src/load/imports/read.ts'
import { ownFolder } from '../../../helpers/folders.ts'

const FIXTURES = join(import.meta.dirname, '../../../fixtures/load-results')

type Truth = {
  readonly exitCode: number
  readonly truth: {
    readonly requests: number
    readonly answered500: number
    readonly resets: number
    readonly clientGone: number
    readonly cleanCloses: number
  }
}

export const fixture = (path: string): string => join(FIXTURES, path)

/** What the server counted in that run, and how the tool ended. */
export function truthOf(tool: string, name: string): Truth {
  // Our own file.
  const all = JSON.parse(readFileSync(fixture(`${tool}/truth.json`), 'utf8')) as Readonly<Record<string, Truth>>
  const truth = all[name]
  if (truth === undefined) throw new Error(`${tool} has no case ${name}`)
  return truth
}

export const clauses = (...texts: readonly string[]) =>
  texts.map((text) => {
    const parsed = parseClause(text)
    if ('problem' in parsed) throw new Error(parsed.problem)
    return parsed.clause
  })

/** @param paths below the fixtures, or absolute */
export async function imported(
  paths: string | readonly string[],
  more: Omit<Partial<ImportSource>, 'paths'> & { readonly clauses?: readonly string[] } = {},
) {
  const { clauses: asked = ['p95 < 10s'], ...source } = more
  const found = await readImports(
    { paths: [paths].flat().map((path) => (path.startsWith('/') ? path : fixture(path))), ...source },
    { clauses: clauses(...asked), confidence: { ...DEFAULT_CONFIDENCE, hostEffect: 'ignore' } },
  )
  const report = judgeImport('import', found.evidence)
  const { reading, evidence } = found
  return {
    ...found,
    report,
    target: report.targets[0],
    counts: { requests: reading.requests, failures: reading.failures },
    distrust: evidence.distrust,
  }
}

export async function fileWith(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(await ownFolder(), name)
  await writeFile(path, content)
  return path
}
