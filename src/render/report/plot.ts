// The frame of a chart: what is drawn is an SVG that stretches to any width, what is read is HTML around it, so that
// letters have one size on a phone, on a wide screen and on paper. No script: what a point says is shown by CSS when it is
// pointed at, and everything that matters is in tables too.
import { escapeMarkup } from './escape.ts'
import type { Scale } from './scale.ts'

export const WIDTH = 1000
export const HEIGHT = 100

export type PlotLine = {
  readonly index: number
  /** x and y as shares of the frame, y from below; null: a gap. */
  readonly points: readonly (readonly [x: number, y: number] | null)[]
  readonly area?: boolean
}

export type Plot = {
  readonly title: string
  readonly note?: string
  /** What somebody hears who cannot see it. */
  readonly summary: string
  readonly height: number
  readonly y: { readonly scale: Scale; readonly show: (value: number) => string }
  readonly x: { readonly scale: Scale; readonly show: (value: number) => string; readonly title?: string }
  readonly lines: readonly PlotLine[]
  /** SVG below the lines: bars, shades. Made by us. */
  readonly below?: string
  /** A line across, with its words. */
  readonly limit?: { readonly value: number; readonly label: string }
  readonly markers?: readonly { readonly x: number; readonly kind: string; readonly number: number | null }[]
  /** Crosses at the top: values that fall on failures. */
  readonly offScale?: readonly { readonly x: number; readonly index: number }[]
  /** Equal parts of the width, from the left. */
  readonly tips?: readonly string[]
}

export function plot(of: Plot): string {
  const { title, note, summary, height, y, x, limit, markers = [], tips = [] } = of
  const grid = y.scale.ticks.map((tick) => `<path class="g" d="M0 ${top(y.scale.at(tick))}H${WIDTH}"/>`).join('')
  const limitLine = limit === undefined ? '' : `<path class="limit" d="M0 ${top(y.scale.at(limit.value))}H${WIDTH}"/>`
  const marks = markers.map((marker) => `<path class="mark ${marker.kind}" d="M${across(marker.x)} 0V${HEIGHT}"/>`).join('')
  const off = (of.offScale ?? []).map((cross) => `<path class="off c${cross.index % COLOURS}" d="M${across(cross.x)} 1v0"/>`).join('')
  const drawing = `${of.below ?? ''}${grid}${marks}${of.lines.map(lineOf).join('')}${limitLine}${off}`
  return [
    `<figure class="plot" role="img" aria-label="${escapeMarkup(`${title}: ${summary}`)}">`,
    `<figcaption>${escapeMarkup(title)}${note === undefined ? '' : ` <small>${escapeMarkup(note)}</small>`}</figcaption>`,
    `<div class="box" style="height:${height}px" aria-hidden="true">`,
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" focusable="false">${drawing}</svg>`,
    ...y.scale.ticks.map((tick) => `<span class="y" style="top:${percent(1 - y.scale.at(tick))}">${escapeMarkup(y.show(tick))}</span>`),
    limit === undefined
      ? ''
      : `<span class="limit" style="top:${percent(1 - y.scale.at(limit.value))}">${escapeMarkup(limit.label)}</span>`,
    ...markers.flatMap((marker) =>
      marker.number === null ? [] : [`<b class="mark" style="left:${percent(marker.x)}">${marker.number}</b>`],
    ),
    tips.length === 0 ? '' : `<div class="tips">${tips.map((tip) => `<i data-t="${escapeMarkup(tip, 300)}"></i>`).join('')}</div>`,
    '</div>',
    `<div class="xs" aria-hidden="true">${x.scale.ticks.map((tick) => `<span${x.scale.at(tick) > 0.97 ? ' class="end"' : ''} style="left:${percent(x.scale.at(tick))}">${escapeMarkup(x.show(tick))}</span>`).join('')}</div>`,
    x.title === undefined ? '' : `<div class="xt" aria-hidden="true">${escapeMarkup(x.title)}</div>`,
    '</figure>',
  ].join('')
}

/** As many as the style sheet has colours for. */
export const COLOURS = 4

function lineOf({ index, points, area = false }: PlotLine): string {
  let path = ''
  let isOpen = false
  let lone: string | null = null
  for (const point of points) {
    if (point === null) {
      // A point between two gaps would be a line of no length: it is drawn as a dot.
      if (lone !== null) path += 'h.01'
      isOpen = false
      lone = null
      continue
    }
    const at = `${across(point[0])} ${top(point[1])}`
    path += `${isOpen ? 'L' : 'M'}${at}`
    lone = isOpen ? null : at
    isOpen = true
  }
  if (lone !== null) path += 'h.01'
  if (path === '') return ''
  const colour = `c${index % COLOURS}`
  const [first, last] = [points.find((point) => point !== null), points.findLast((point) => point !== null)]
  const shade =
    area && first !== undefined && last !== undefined && first !== null && last !== null
      ? `<path class="area ${colour}" d="${path}L${across(last[0])} ${HEIGHT}L${across(first[0])} ${HEIGHT}Z"/>`
      : ''
  return `${shade}<path class="line ${colour}" d="${path}"/>`
}

const short = (value: number): string => String(Math.round(value * 10) / 10)
export const across = (share: number): string => short(share * WIDTH)
export const top = (share: number): string => short((1 - share) * HEIGHT)
export const percent = (share: number): string => `${Math.round(share * 10_000) / 100}%`

export function legend(entries: readonly { readonly name: string; readonly colour: string; readonly note?: string }[]): string {
  if (entries.length === 0) return ''
  const items = entries.map(
    ({ name, colour, note }) =>
      `<li><span class="key ${colour}"></span>${escapeMarkup(name, 200)}${note === undefined ? '' : ` <small>${escapeMarkup(note)}</small>`}</li>`,
  )
  return `<ul class="legend">${items.join('')}</ul>`
}
