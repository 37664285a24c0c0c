// A process that tells many events on stdout, whoever reads them: started by ndjson.test.ts.
import { createEventStream } from '../../../src/render/ndjson.ts'
import { stamped } from './stories.ts'

const renderer = createEventStream(process.stdout)
const events = stamped(Array.from({ length: 20_000 }, (_, index) => ({ type: 'notice' as const, message: `event ${index}` })))
for (const [index, event] of events.entries()) {
  renderer.on(event)
  // The reader gets a chance to go away in the middle.
  if (index % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve))
}
await renderer.end()
process.stderr.write(`told ${events.length} events\n`)
