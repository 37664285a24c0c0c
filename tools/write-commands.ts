// Writes docs/commands.md: every command with its help, as `--help` prints it. A test says when it is not current.
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { commandsPage } from './commands-page.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
writeFileSync(new URL('../docs/commands.md', import.meta.url), await commandsPage(root))
