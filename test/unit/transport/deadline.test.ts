import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { startDeadline } from '../../../src/drivers/transport/deadline.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

test('fires when the time is over', () => {
  const deadline = startDeadline(1_000)
  vi.advanceTimersByTime(999)
  expect(deadline.signal.aborted).toBe(false)
  vi.advanceTimersByTime(1)
  expect(deadline.signal.aborted).toBe(true)
})

test('stands still while somebody is asked, twice at the same time too', async () => {
  const deadline = startDeadline(1_000)
  vi.advanceTimersByTime(600)
  const [first, second] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()]
  const asking = deadline.paused(() => first.promise)
  const other = deadline.paused(() => second.promise)
  vi.advanceTimersByTime(60_000)
  first.resolve('yes')
  expect(await asking).toBe('yes')
  vi.advanceTimersByTime(60_000)
  second.resolve('no')
  expect(await other).toBe('no')
  vi.advanceTimersByTime(399)
  expect(deadline.signal.aborted).toBe(false)
  vi.advanceTimersByTime(1)
  expect(deadline.signal.aborted).toBe(true)
})

test('never fires once it was cleared, not even after an answer that came late', async () => {
  const deadline = startDeadline(1_000)
  const question = Promise.withResolvers<void>()
  const asking = deadline.paused(() => question.promise)
  deadline.clear()
  question.resolve()
  await asking
  vi.advanceTimersByTime(10_000)
  expect(deadline.signal.aborted).toBe(false)
})
