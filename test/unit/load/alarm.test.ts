import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { type Alarm, openAlarm } from '../../../src/load/alarm.ts'

let alarm: Alarm | null = null
afterEach(() => alarm?.close())

const rings = (clock: Alarm, moment: number) => new Promise<number>((resolve) => clock.at(moment, () => resolve(performance.now())))

describe('the alarm', () => {
  test('never wakes before the moment, however often it is asked, whole milliseconds or parts of them', async () => {
    alarm = await openAlarm()
    for (let turn = 0; turn < 200; turn += 1) {
      const moment = performance.now() + (turn % 10) / 3
      // A hundredth of a millisecond: what the two clocks may differ by.
      expect(await rings(alarm, moment)).toBeGreaterThan(moment - 0.01)
    }
  })

  test('naps after it rang and finds the next order by itself: each one rings, none before half a nap of its moment', async () => {
    alarm = await openAlarm()
    const napMs = 0.4
    for (let turn = 0; turn < 500; turn += 1) {
      // Given at once, in the middle of the nap, and after its end.
      if (turn % 5 === 0) await new Promise((resolve) => setImmediate(resolve))
      if (turn % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
      const moment = performance.now() + (turn % 3) / 2
      const clock = alarm
      const rang = await new Promise<number>((resolve) => clock.at(moment, () => resolve(performance.now()), napMs))
      expect(rang).toBeGreaterThan(moment - napMs / 2 - 0.01)
    }
  })

  test('an order that comes while it naps for another rings, and the other does not', async () => {
    alarm = await openAlarm()
    const woken: string[] = []
    const clock = alarm
    // As long as to be in the nap for sure when the next orders come.
    await new Promise<void>((resolve) => clock.at(performance.now(), resolve, 20))
    clock.at(performance.now() + 60_000, () => woken.push('far'), 20)
    await rings(clock, performance.now() + 1)
    expect(woken).toEqual([])
  })

  test('wakes at once for a moment that has passed', async () => {
    alarm = await openAlarm()
    const before = performance.now()
    expect(await rings(alarm, before - 1000)).toBeGreaterThanOrEqual(before)
  })

  test('a new order takes the place of the last one, sooner or later than it', async () => {
    alarm = await openAlarm()
    const woken: string[] = []
    const now = performance.now()
    alarm.at(now + 60_000, () => woken.push('far'))
    alarm.at(now + 5, () => woken.push('soon'))
    alarm.at(now + 20, () => woken.push('later'))
    await rings(alarm, now + 40)
    expect(woken).toEqual([])
  })

  test('what was cancelled does not wake, and the next order does', async () => {
    alarm = await openAlarm()
    let woken = 0
    const now = performance.now()
    alarm.at(now + 5, () => {
      woken += 1
    })
    alarm.cancel()
    await rings(alarm, now + 30)
    expect(woken).toBe(0)
  })

  test('a closed one wakes nobody', async () => {
    const clock = await openAlarm()
    let woken = 0
    clock.at(performance.now() + 20, () => {
      woken += 1
    })
    await clock.close()
    alarm = await openAlarm()
    await rings(alarm, performance.now() + 50)
    expect(woken).toBe(0)
  })

  test('a process that forgets it ends all the same', async () => {
    const file = fileURLToPath(new URL('../../../src/load/alarm.ts', import.meta.url))
    const program = `const { openAlarm } = await import(${JSON.stringify(file)}); (await openAlarm()).at(performance.now() + 3_600_000, () => {})`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'ignore' })
    const [code] = await once(child, 'exit')
    expect(code).toBe(0)
  })
})
