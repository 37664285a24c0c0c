import { expect, test } from 'vitest'
import { createSlots } from '../../../src/drivers/transport/slots.ts'

const settled = async (promise: Promise<unknown>): Promise<string> =>
  Promise.race([
    promise.then(
      () => 'in',
      () => 'refused',
    ),
    new Promise<string>((done) => setImmediate(() => done('waiting'))),
  ])

test('so many may be in at a time, the others come in the order in which they came', async () => {
  const slots = createSlots(2)
  await slots.enter()
  await slots.enter()
  const order: string[] = []
  const third = slots.enter().then(() => order.push('third'))
  const fourth = slots.enter().then(() => order.push('fourth'))
  expect(await settled(third)).toBe('waiting')
  slots.leave()
  await third
  expect(await settled(fourth)).toBe('waiting')
  slots.leave()
  await fourth
  expect(order).toEqual(['third', 'fourth'])
  expect(slots.busy).toBe(2)
})

test('whoever is interrupted while waiting takes nobody’s place', async () => {
  const slots = createSlots(1)
  await slots.enter()
  const abort = new AbortController()
  const gone = slots.enter(abort.signal)
  const next = slots.enter()
  abort.abort()
  await expect(gone).rejects.toMatchObject({ code: 'E_CANCELLED' })
  slots.leave()
  expect(await settled(next)).toBe('in')
  expect(slots.busy).toBe(1)
  await expect(slots.enter(AbortSignal.abort())).rejects.toMatchObject({ code: 'E_CANCELLED' })
})

test('fewer places than are taken: nobody comes in until enough have left, and one place is always left', async () => {
  const slots = createSlots(4)
  for (let count = 0; count < 3; count += 1) await slots.enter()
  slots.shrink(1)
  const next = slots.enter()
  slots.leave()
  slots.leave()
  expect(await settled(next)).toBe('waiting')
  slots.leave()
  expect(await settled(next)).toBe('in')
  slots.leave()
  slots.shrink(0)
  expect(await settled(slots.enter())).toBe('in')
})
