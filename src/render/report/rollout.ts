// The rollout's own part of a report: each host with how it ended, and its steps on one time axis.
import type { ReportRollout } from '../../domain/report.ts'
import { duration, number } from '../words.ts'
import { escapeMarkup } from './escape.ts'
import { percent } from './plot.ts'
import { ofSeconds, secondWords } from './scale.ts'

const MOST_HOSTS = 500
const MOST_LOSSES = 50
/** Lanes for the eye; beyond that the table says it. */
const MOST_LANES = 40

export function rolloutParts(rollout: ReportRollout): string {
  return `<section><h2>Rollout</h2>${hostTable(rollout)}${lanes(rollout)}</section>`
}

function hostTable({ hosts, probe, losses, minReadySeen, outcome }: ReportRollout): string {
  const isBack = outcome === 'rolled-back'
  const rows = hosts.slice(0, MOST_HOSTS).map((host) => {
    return `<tr${host.error === null ? '' : ' class="fail"'}><th scope="row">${escapeMarkup(host.name, 100)}</th><td class="id">${escapeMarkup(host.from ?? 'none', 60)}</td><td class="id">${host.from === host.to ? 'unchanged' : escapeMarkup(host.to ?? 'none', 60)}</td><td>${escapeMarkup(host.phase, 40)}</td><td class="n">${host.durationMs === 0 ? '' : duration(host.durationMs)}</td><td>${host.error === null ? '' : `✖ ${escapeMarkup(host.error, 300)}`}</td></tr>`
  })
  const left = hosts.length - rows.length
  const said = [
    ...(minReadySeen === null ? [] : [`Never fewer than ${number(minReadySeen)} hosts were ready.`]),
    ...(probe === null
      ? []
      : [
          `${number(probe.sent)} requests through the public entry, ${number(probe.failed)} failed, worst gap ${number(Math.round(probe.worstGapMs))} ms.`,
        ]),
  ]
  return [
    hosts.length === 0
      ? '<p class="quiet">No host was touched.</p>'
      : `<div class="wide"><table><thead><tr><th scope="col">host</th><th scope="col">${isBack ? 'back on' : 'from'}</th><th scope="col">${isBack ? 'not on' : 'to'}</th><th scope="col">phase</th><th scope="col" class="n">time</th><th scope="col">error</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`,
    left > 0 ? `<p class="quiet">and ${left} more hosts</p>` : '',
    said.length === 0 ? '' : `<p>${said.join(' ')}</p>`,
    losses.length === 0
      ? ''
      : `<ul class="warnings">${losses
          .slice(0, MOST_LOSSES)
          .map((loss) => `<li>✖ ${escapeMarkup(loss, 300)}</li>`)
          .join('')}</ul>`,
  ].join('')
}

/** Each host's steps from end to end: what took long is long. */
function lanes({ steps }: ReportRollout): string {
  if (steps.length === 0) return ''
  const names = [...new Set(steps.map((step) => step.host))]
  const x = ofSeconds(0, Math.max(1, ...steps.map((step) => step.second)))
  const shown = names.slice(0, MOST_LANES).map((name) => {
    const own = steps.filter((step) => step.host === name).slice(0, 60)
    const parts = own.map((step, index) => {
      // A step began when the one before it ended; of the first only its end is known.
      const from = own[index - 1]?.second ?? step.second
      const [left, right] = [x.at(from), x.at(step.second)]
      const kind = step.failed ? 'failed' : `s${index % 2}`
      const title = escapeMarkup(`${secondWords(step.second)}: ${step.label}`, 200)
      return `<i class="${kind}" style="left:${percent(left)};width:${percent(Math.max(0, right - left))}" title="${title}"></i>`
    })
    const last = own.at(-1)
    return `<li><span class="lane-name">${escapeMarkup(name, 60)}</span><span class="lane">${parts.join('')}</span><span class="lane-last">${last === undefined ? '' : `${last.failed ? '✖ ' : ''}${escapeMarkup(last.label, 80)}`}</span></li>`
  })
  const left = names.length - shown.length
  const ticks = x.ticks.map((tick) => `<span style="left:${percent(x.at(tick))}">${secondWords(tick)}</span>`).join('')
  return `<h3>Steps <small>each piece is a step; the words at the right are the last one</small></h3><ol class="lanes">${shown.join('')}<li aria-hidden="true"><span class="lane-name"></span><span class="lane ticks">${ticks}</span><span class="lane-last"></span></li></ol>${left > 0 ? `<p class="quiet">and ${left} more hosts</p>` : ''}`
}
