import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inward, outward, toReal } from '../../../src/sandbox/view.ts'

const view = { shown: '/tmp/x/hosts/me', real: '/tmp/x/hosts/07' }

async function through(make: typeof inward, chunks: readonly (string | Buffer)[]): Promise<Buffer> {
  return buffer(Readable.from(chunks.map((chunk) => Buffer.from(chunk))).pipe(make(view)))
}

describe('a host sees its own folder under the common name', () => {
  test('commands are translated, each time the path occurs', () => {
    expect(toReal(view, "mv '/tmp/x/hosts/me/a' /tmp/x/hosts/me/b # /tmp/x/hosts/mine")).toBe(
      "mv '/tmp/x/hosts/07/a' /tmp/x/hosts/07/b # /tmp/x/hosts/mine",
    )
  })

  test('what the host says is translated back', async () => {
    expect((await through(outward, ['cwd: /tmp/x/hosts/07/app/releases/r1\n'])).toString()).toBe('cwd: /tmp/x/hosts/me/app/releases/r1\n')
  })

  test('wherever the stream is cut, the result is the same and as long', async () => {
    const part = fc.constantFrom('/tmp/x/hosts/me', '/tmp/x/hosts/m', '/tmp', '/', 'e', 'x', '\0\xff', '/tmp/x/hosts/07')
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 12 }), fc.array(fc.nat(120), { maxLength: 8 }), async (parts, cuts) => {
        const whole = Buffer.from(parts.join(''), 'latin1')
        const at = [0, ...cuts.map((cut) => Math.min(cut, whole.length)).sort((left, right) => left - right), whole.length]
        const chunks = at.slice(1).map((end, index) => whole.subarray(at[index], end))
        const expected = whole.toString('latin1').replaceAll(view.shown, view.real)
        expect((await through(inward, chunks)).toString('latin1')).toBe(expected)
      }),
    )
  })

  test('bytes that are no text pass as they are', async () => {
    const bytes = Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 37) % 256))
    expect((await through(inward, [bytes.subarray(0, 1000), bytes.subarray(1000)])).equals(bytes)).toBe(true)
  })

  test('names of different length are refused: sizes would change', () => {
    expect(() => inward({ shown: '/a', real: '/bcd' })).toThrow(/differ in length/)
  })
})
