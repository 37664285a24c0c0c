import { describe, expect, test } from 'vitest'
import { keepPace, realClock } from '../../../src/load/pace.ts'
import { manualClock } from './helpers.ts'

function started(ratePerSecond: number) {
  const clock = manualClock()
  const stop = new AbortController()
  const due: number[] = []
  let skipped = 0
  const ended = keepPace(
    {
      ratePerSecond,
      onDue: (at) => due.push(Math.round(at - 1000)),
      onSkipped: (count) => {
        skipped += count
      },
    },
    clock,
    stop.signal,
  )
  return { clock, due, skipped: () => skipped, stop: () => stop.abort(), ended }
}

describe('keepPace', () => {
  test('sends the first at once and the n-th at n intervals, not before', async () => {
    const pace = started(20)
    expect(pace.due).toEqual([0])
    await pace.clock.advance(49)
    expect(pace.due).toEqual([0])
    await pace.clock.advance(1)
    expect(pace.due).toEqual([0, 50])
    await pace.clock.advance(50)
    expect(pace.due).toEqual([0, 50, 100])
    pace.stop()
    await pace.ended
  })

  test('a rate that does not divide a second does not drift', async () => {
    const pace = started(3)
    for (let step = 0; step < 300; step += 1) await pace.clock.advance(100)
    expect(pace.due.length).toBe(91)
    expect(pace.due.at(-1)).toBe(30_000)
    pace.stop()
    await pace.ended
  })

  test('what is late by less than a second is sent at once, due when it was due', async () => {
    const pace = started(10)
    await pace.clock.advance(500)
    expect(pace.due).toEqual([0, 100, 200, 300, 400, 500])
    expect(pace.skipped()).toBe(0)
    pace.stop()
    await pace.ended
  })

  test('a minute of standstill is skipped and counted, not made up for', async () => {
    const pace = started(10)
    await pace.clock.advance(60_000)
    expect(pace.due.length + pace.skipped()).toBe(601)
    expect(pace.due).toEqual([0, ...Array.from({ length: 11 }, (_, index) => 59_000 + index * 100)])
    await pace.clock.advance(100)
    expect(pace.due.at(-1)).toBe(60_100)
    pace.stop()
    await pace.ended
  })

  test('nothing is sent once the signal has fired', async () => {
    const pace = started(10)
    pace.stop()
    await pace.ended
    await pace.clock.advance(1000)
    expect(pace.due).toEqual([0])
  })
})

describe('realClock', () => {
  test('a sleep ends with E_CANCELLED when the signal fires, and when it has fired already', async () => {
    const stop = new AbortController()
    const sleeping = realClock.sleep(60_000, stop.signal)
    stop.abort()
    await expect(sleeping).rejects.toMatchObject({ code: 'E_CANCELLED' })
    await expect(realClock.sleep(0, stop.signal)).rejects.toMatchObject({ code: 'E_CANCELLED' })
  })
})
