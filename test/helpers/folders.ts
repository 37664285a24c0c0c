// Folders of a test file's own, gone when it has ended.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

const folders: string[] = []
afterAll(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true })
})

export async function ownFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rollgate-test-'))
  folders.push(folder)
  return folder
}
