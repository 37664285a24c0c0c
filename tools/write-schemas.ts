// Writes templates/schemas/NAME.json from tools/documents.ts. A test says when they are not what is written there.
import { mkdirSync, writeFileSync } from 'node:fs'
import { documents } from './documents.ts'

const folder = new URL('../templates/schemas/', import.meta.url)
mkdirSync(folder, { recursive: true })
for (const [name, schema] of Object.entries(documents)) {
  writeFileSync(new URL(`${name}.json`, folder), `${JSON.stringify(schema.json, null, 2)}\n`)
}
