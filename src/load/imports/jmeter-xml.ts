// JMeter's JTL as XML, tag by tag, without a tree: files are as long as the run. Only samples that stand directly under the
// root count; what is inside one (redirects, embedded resources) is part of it. Careful about an end that is missing.

import { numberIn } from './csv.ts'
import { type Input, LONGEST_LINE, linesOf } from './input.ts'
import { createSamples, type Sample } from './jmeter.ts'
import { type Reading, UnreadableError } from './reading.ts'

export async function readJmeterXml(inputs: readonly Input[]): Promise<Reading> {
  const samples = createSamples()
  let hasSuccess = true
  for (const input of inputs) {
    let [depth, hasRoot, isClosed] = [0, false, false]
    for await (const tag of tagsOf(input)) {
      const name = /^\/?([A-Za-z][\w.-]*)/.exec(tag)?.[1]
      if (name === 'testResults') {
        if (tag.startsWith('/')) isClosed = true
        else hasRoot = true
      } else if (name === 'httpSample' || name === 'sample') {
        if (tag.startsWith('/')) depth = Math.max(0, depth - 1)
        else {
          if (depth === 0) {
            const sample = sampleOf(tag)
            if (sample === null) samples.bad()
            else samples.add(sample)
            hasSuccess &&= / s="/.test(tag)
          }
          if (!tag.endsWith('/')) depth += 1
        }
      }
    }
    if (!hasRoot) throw new UnreadableError('it has no <testResults>')
    if (!isClosed) input.damage ??= '</testResults> is missing'
  }
  return samples.finish(inputs, { errors: hasSuccess })
}

/** What stands between `<` and `>`. Comments and CDATA are passed over. */
async function* tagsOf(input: Input): AsyncGenerator<string> {
  let rest = ''
  for await (const lines of linesOf(input, { lastMayBeOpen: true })) {
    rest += `${lines.join('\n')}\n`
    let from = 0
    for (;;) {
      const open = rest.indexOf('<', from)
      if (open < 0) {
        from = rest.length
        break
      }
      const [begin, end] = rest.startsWith('<!--', open) ? [4, '-->'] : rest.startsWith('<![CDATA[', open) ? [9, ']]>'] : [1, '>']
      const close = rest.indexOf(end, open + begin)
      if (close < 0) {
        from = open
        break
      }
      if (begin === 1) yield rest.slice(open + 1, close)
      from = close + end.length
    }
    rest = rest.slice(from)
    if (rest.length > LONGEST_LINE) throw new UnreadableError('a tag of it has no end')
  }
}

function sampleOf(tag: string): Sample | null {
  const [at, ms, good] = [numberIn(attribute(tag, 'ts')), numberIn(attribute(tag, 't')), attribute(tag, 's')]
  if (Number.isNaN(at) || Number.isNaN(ms) || (good !== 'true' && good !== 'false')) return null
  return {
    ...{ at, ms, isGood: good === 'true', code: attribute(tag, 'rc') ?? '', message: attribute(tag, 'rm') ?? '' },
    ...{ label: attribute(tag, 'lb') ?? '', thread: attribute(tag, 'tn') ?? '', bytes: numberIn(attribute(tag, 'by')) },
  }
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

function attribute(tag: string, name: string): string | undefined {
  const start = tag.indexOf(` ${name}="`)
  if (start < 0) return undefined
  const from = start + name.length + 3
  const end = tag.indexOf('"', from)
  return end < 0 ? undefined : tag.slice(from, end).replace(/&(lt|gt|amp|quot|apos);/g, (_, entity: string) => ENTITIES[entity] ?? '')
}
