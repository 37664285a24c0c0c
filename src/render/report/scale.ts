// Axes: where ticks stand so that people can read them, and where a value lies between the two ends (0..1).

export type Scale = { readonly ticks: readonly number[]; at(value: number): number }

/** From zero to a round number at or above `most`, with three to six ticks. */
export function fromZero(most: number): Scale {
  const top = most > 0 && Number.isFinite(most) ? most : 1
  const step = roundUp(top / 4)
  const last = Math.ceil(top / step - 1e-9) * step
  const ticks = Array.from({ length: Math.round(last / step) + 1 }, (_, index) => tidy(index * step))
  return { ticks, at: (value) => clamp(value / last) }
}

/** 1, 2, 2.5, 5 times a power of ten. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  for (const factor of [1, 2, 2.5, 5, 10]) if (factor * power >= value - power * 1e-9) return factor * power
  return 10 * power
}

/** Logarithmic, from below `least` to above `most`; ticks at 1, 2 and 5 times powers of ten, thinned where they are many. */
export function logarithmic(least: number, most: number): Scale {
  const low = Math.max(1e-6, least) * 0.95
  const high = Math.max(low * 2, most * 1.05)
  const all: number[] = []
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1)
    for (const factor of [1, 2, 5]) all.push(tidy(factor * 10 ** power))
  const inside = all.filter((tick) => tick >= low && tick <= high)
  const ticks = inside.length > 7 ? inside.filter((tick) => /^1/.test(String(tick).replace(/^0\.0*/, ''))) : inside
  const span = Math.log(high / low)
  return { ticks, at: (value) => clamp(Math.log(Math.max(1e-9, value) / low) / span) }
}

/** Seconds: ticks at round numbers of seconds, minutes or hours. */
export function ofSeconds(from: number, to: number): Scale {
  const span = Math.max(1, to - from)
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400]
  const step = steps.find((candidate) => span / candidate <= 6) ?? Math.ceil(span / 6)
  const ticks: number[] = []
  for (let tick = Math.ceil(from / step) * step; tick <= to; tick += step) ticks.push(tick)
  return { ticks, at: (value) => clamp((value - from) / span) }
}

export function secondWords(second: number): string {
  const whole = Math.round(second)
  if (whole < 120) return `${whole} s`
  const [hours, minutes, seconds] = [Math.floor(whole / 3_600), Math.floor(whole / 60) % 60, whole % 60]
  if (hours > 0) return minutes === 0 ? `${hours} h` : `${hours} h ${minutes}`
  return seconds === 0 ? `${minutes} min` : `${minutes}:${String(seconds).padStart(2, '0')}`
}

const clamp = (share: number): number => (Number.isNaN(share) ? 0 : Math.max(0, Math.min(1, share)))

/** 0.30000000000000004 is 0.3. */
const tidy = (value: number): number => Number(value.toPrecision(12))
