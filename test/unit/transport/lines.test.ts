import { Readable } from 'node:stream'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { collectLines } from '../../../src/drivers/transport/lines.ts'

async function lines(chunks: readonly Buffer[], maxBytes?: number) {
  const seen: string[] = []
  const collector = collectLines({ onLine: (line) => void seen.push(line.text), maxBytes })
  await collector.read(Readable.from(chunks), 'stdout')
  return { seen, ...collector.result() }
}

/** Cuts bytes at any places. */
const cutUp = (bytes: Buffer, places: readonly number[]): Buffer[] => {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...at].map((from, index) => bytes.subarray(from, at[index] ?? bytes.length))
}

test('lines are the same however the bytes were cut', async () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'ü', '漢', '🚀', '\n', '\r\n', ' '), maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(text, fc.array(fc.nat(), { maxLength: 10 }), async (whole, places) => {
      const { seen, stdout } = await lines(cutUp(Buffer.from(whole), places))
      expect(stdout).toBe(whole)
      const parts = whole.split('\n')
      const last = parts.pop() ?? ''
      expect(seen).toEqual([...parts.map((line) => line.replace(/\r$/, '')), ...(last === '' ? [] : [last])])
    }),
  )
})

test('at most so many bytes are kept, cut between characters', async () => {
  expect(await lines([Buffer.from('ab漢cd')], 4)).toMatchObject({ stdout: 'ab', truncated: true, seen: ['ab漢cd'] })
  expect(await lines([Buffer.from('ab漢')], 5)).toMatchObject({ stdout: 'ab漢', truncated: false })
})

test('a stream without newlines becomes lines of at most 64 KiB', async () => {
  const { seen } = await lines([Buffer.alloc(200_000, 'x')])
  expect(seen.map((line) => line.length)).toEqual([65536, 65536, 65536, 200_000 - 3 * 65536])
})

test('bytes that are no UTF-8 do not end anything', async () => {
  const { seen } = await lines([Buffer.from([0x61, 0xff, 0xfe, 0x0a, 0x62])])
  expect(seen).toHaveLength(2)
  expect(seen[1]).toBe('b')
})

test('a reader that throws is told of once, and gets no more lines', async () => {
  const failures: unknown[] = []
  let calls = 0
  const collector = collectLines({
    onLine: () => {
      calls += 1
      throw new Error('broke')
    },
    onFailure: (error) => failures.push(error),
  })
  await collector.read(Readable.from([Buffer.from('a\nb\nc\n')]), 'stdout')
  expect(calls).toBe(1)
  expect(failures).toHaveLength(1)
})

test('a slow reader holds the stream back', async () => {
  let given = 0
  async function* source() {
    for (let index = 0; index < 100; index += 1) {
      given += 1
      yield Buffer.from(`line ${index}\n`)
    }
  }
  const gate = Promise.withResolvers<void>()
  let seen = 0
  const collector = collectLines({
    onLine: () => {
      seen += 1
      return gate.promise
    },
  })
  const reading = collector.read(source(), 'stdout')
  await expect.poll(() => collector.waiting).toBe(true)
  expect([given, seen]).toEqual([1, 1])
  gate.resolve()
  await reading
  expect(seen).toBe(100)
})
