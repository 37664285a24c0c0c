// Numbers and names as people read them. Everything that came from a host or a config goes through `oneLine` first.
import { cleanText } from '../util/text.ts'

/** One printable line of untrusted text. */
export function oneLine(text: string, limit = 1_000): string {
  return cleanText(text, limit)
    .toWellFormed()
    .replace(/\s*\n\s*/g, ' ')
    .trim()
}

/** `0.4 s`, `12 s`, `1 min 12 s`, `2 h 5 min`. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms) || ms < 0) return '0 s'
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)} s`
  const seconds = Math.round(ms / 1_000)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return seconds % 60 === 0 ? `${seconds / 60} min` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  const minutes = Math.round(seconds / 60)
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** A setting of whole units: `30 s`, `5 min`, `500 ms`. */
export function setting(ms: number): string {
  return ms < 1_000 ? `${ms} ms` : ms < 10_000 ? `${ms / 1_000} s` : duration(ms)
}

/** Time since the start: `0:12.3`, `1:02:12`. */
export function elapsed(ms: number): string {
  const tenths = Math.max(0, Math.floor(ms / 100))
  const [seconds, minutes, hours] = [Math.floor(tenths / 10) % 60, Math.floor(tenths / 600) % 60, Math.floor(tenths / 36_000)]
  const tail = `${String(seconds).padStart(2, '0')}.${tenths % 10}`
  return hours === 0 ? `${minutes}:${tail}` : `${hours}:${String(minutes).padStart(2, '0')}:${tail}`
}

/** In powers of ten, as disks and networks are sold. */
export function bytes(count: number): string {
  if (count < 1_000) return `${count} B`
  let value = count
  let unit = 'B'
  for (const next of ['kB', 'MB', 'GB', 'TB']) {
    if (value < 999.5) break
    value /= 1_000
    unit = next
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${unit}`
}

/** `1,203`. */
export function number(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+(?!\d))/g, ',')
}

/** `1 host`, `4 hosts`. */
export function many(count: number, noun: string, plural = `${noun}s`): string {
  return `${number(count)} ${count === 1 ? noun : plural}`
}

/** The first few names, and how many more there are. */
export function names(list: readonly string[], limit = 8): string {
  const shown = list.slice(0, limit).map((name) => oneLine(name, 100))
  return list.length > limit ? `${shown.join(', ')} and ${list.length - limit} more` : shown.join(', ')
}

/** An ISO time as `2026-11-25 03:18`, in UTC so that two readers agree. */
export function when(iso: string): string {
  const time = Date.parse(iso)
  return Number.isNaN(time) ? oneLine(iso, 30) : `${new Date(time).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

export type StepWords = { readonly undo: boolean; readonly doing: string; readonly did: string }

const WORDS: Readonly<Record<string, readonly [string, string]>> = {
  drain: ['draining', 'drained'],
  activate: ['switching', 'switched'],
  restart: ['restarting', 'restarted'],
  stop: ['stopping', 'stopped'],
  prove: ['proving', 'proved healthy'],
  enable: ['enabling', 'enabled'],
  gate: ['measuring its gate', 'gate passed'],
  calibrate: ['calibrating', 'calibrated'],
  control: ['taking out as control', 'given back'],
  pause: ['pausing', 'paused'],
}

/** A step id in words: `web-1/undo/drain` is "draining" on the way back. Ids are made in plan/tracks.ts. */
export function stepWords(step: string): StepWords {
  const parts = step.split('/')
  const last = oneLine((parts.at(-1) ?? step).replace(/#\d+$/, ''), 60)
  const undo = parts.at(-2) === 'undo'
  const hook = /^(?:hook|\d+):(.+)$/.exec(last)?.[1]
  if (hook !== undefined) return { undo, doing: `hook ${hook}`, did: `hook ${hook} done` }
  const [doing, did] = WORDS[last] ?? [last, `${last} done`]
  return { undo, doing, did }
}
