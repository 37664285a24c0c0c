// Writes docs/trials.md from test/results/part3.json: `node tools/write-trials.ts`.
import { readFileSync, writeFileSync } from 'node:fs'
import { type TrialResults, trialsPage } from './trials-page.ts'

const at = (path: string) => new URL(path, import.meta.url)
const results = JSON.parse(readFileSync(at('../test/results/part3.json'), 'utf8')) as TrialResults // the suite writes it
writeFileSync(at('../docs/trials.md'), trialsPage(results))
