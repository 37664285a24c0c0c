import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type FromGenerator, pack, type ToGenerator, unpacker } from '../../../src/load/remote.ts'

const lines = (text: string) => text.split('\n').slice(0, -1)

describe('what generators and the operator say to each other', () => {
  test('arrives as it was said, however long it is and whatever stands in it', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 200 }), { maxLength: 5 }), fc.nat(3), (texts, size) => {
        const message = { type: 'failed', code: 'E_LOAD', message: texts.join('\n').repeat(size * 400) } as const
        const heard: FromGenerator[] = []
        const hear = unpacker<FromGenerator>((found) => heard.push(found))
        for (const line of lines(pack(message))) {
          expect(line.length).toBeLessThan(64 * 1024)
          hear(line)
        }
        expect(heard).toEqual([message])
      }),
      { numRuns: 15 },
    )
  })

  test('what is no message is told as such, in between and before', () => {
    const other: string[] = []
    const heard: ToGenerator[] = []
    const hear = unpacker<ToGenerator>(
      (message) => heard.push(message),
      (line) => other.push(line),
    )
    for (const line of ['Welcome to web-1', '', '+', '.', '.not json', '.{"broken', ...lines(pack({ type: 'stop' })), 'bye']) hear(line)
    expect(heard).toEqual([{ type: 'stop' }])
    expect(other).toEqual(['Welcome to web-1', '', '+', '.', '.not json', '.{"broken', 'bye'])
  })
})
