// A report as one HTML file: no script, nothing from anywhere else (its own policy forbids both), light and dark, for a
// phone, a screen and paper. Everything that was not written by us goes through escapeMarkup. Careful about size: a page
// stays under a megabyte whatever was measured, because lines have a fixed number of points and long lists are cut with
// a word about it.
import type { ReportData, ReportFact, ReportMeasurement } from '../../domain/report.ts'
import { quantileWords, time } from '../measure.ts'
import { duration, number, when } from '../words.ts'
import { capacityParts } from './capacity.ts'
import { errorCharts, healthStrip, share, timeCharts } from './charts.ts'
import { clauseCharts, clauseTable } from './clauses.ts'
import { distributionCharts } from './distribution.ts'
import { escapeMarkup } from './escape.ts'
import { rolloutParts } from './rollout.ts'
import { seriesOf } from './series.ts'
import { STYLE } from './style.ts'
import { coldWords, VERDICT_MEANS, VERDICT_SIGNS, VERDICT_WORDS } from './words.ts'

const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
const MOST_TARGETS = 200
const MOST_MEASUREMENTS = 12
/** Of each line where there is one measurement, and never fewer than the second. */
const POINTS = { one: 180, least: 40 }

export function reportPage(data: ReportData): string {
  const { title, measurements, rollout } = data
  const shown = measurements.slice(0, MOST_MEASUREMENTS)
  const left = measurements.length - shown.length
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="rollgate ${escapeMarkup(data.rollgate, 60)}">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>${escapeMarkup(`${headWord(data)}: ${title}`, 200)}</title>
<style>${STYLE}</style>
</head>
<body>
${header(data)}
<main>
${rollout === null ? '' : rolloutParts(rollout)}
${shown.map((measurement, index) => section(measurement, index, data)).join('\n')}
${left > 0 ? `<p class="quiet">and ${left} more gates, whose verdicts are above</p>` : ''}
<section><h2>What was run</h2>${facts(data.facts)}${reproduce(data)}</section>
</main>
<footer>rollgate ${escapeMarkup(data.rollgate, 60)} · this file needs nothing from anywhere</footer>
</body>
</html>
`
}

/** A rollout's outcome says more than its verdict. */
const headWord = ({ rollout, verdict }: ReportData): string =>
  rollout === null ? VERDICT_WORDS[verdict] : rollout.outcome.replace('-', ' ').toUpperCase()

function header(data: ReportData): string {
  const { title, verdict, sentence, id, at, durationMs, measurements, rollout } = data
  const means =
    rollout === null && measurements.some(({ clauses }) => clauses.length > 0) ? `<p class="quiet">${VERDICT_MEANS[verdict]}</p>` : ''
  const gates =
    measurements.length < 2 && rollout === null
      ? ''
      : `<nav aria-label="gates"><ul>${measurements
          .slice(0, 100)
          .map(
            (one, index) =>
              `<li class="${one.verdict}"><a href="#m${index}">${VERDICT_SIGNS[one.verdict]} ${escapeMarkup(nameOf(one), 120)}</a></li>`,
          )
          .join('')}</ul></nav>`
  return `<header class="${verdict}">
<p class="quiet">${escapeMarkup(title, 300)} · ${escapeMarkup(when(at))} · ${duration(durationMs)} · ${escapeMarkup(id, 60)}</p>
<h1><span class="sign" aria-hidden="true">${VERDICT_SIGNS[verdict]}</span> ${escapeMarkup(headWord(data), 60)}</h1>
<p class="sentence">${escapeMarkup(sentence)}</p>
${means}${gates}
</header>`
}

const nameOf = ({ name, where }: ReportMeasurement): string => (where === null ? name : `${name} (${where})`)

function section(measurement: ReportMeasurement, index: number, data: ReportData): string {
  const { verdict, reason, clauses, warnings, discarded } = measurement
  const points = Math.max(POINTS.least, Math.floor((POINTS.one * 3) / Math.max(3, data.measurements.length)))
  const series = seriesOf(measurement, points)
  // A report of one measurement has said its verdict above.
  const isAlone = data.rollout === null && data.measurements.length === 1
  return [
    `<section id="m${index}" class="measurement">`,
    isAlone
      ? ''
      : `<h2 class="${verdict}"><span class="word">${VERDICT_SIGNS[verdict]} ${VERDICT_WORDS[verdict]}</span> ${escapeMarkup(nameOf(measurement), 200)}</h2><p>${escapeMarkup(reason)}</p>`,
    lookWords(measurement),
    measurement.cold === null ? '' : `<p class="quiet">Cold start: ${escapeMarkup(coldWords(measurement.cold))}.</p>`,
    discarded.length === 0
      ? ''
      : `<ul class="warnings">${discarded.map((one) => `<li>measured again: the attempt before was ${VERDICT_WORDS[one.verdict]}: ${escapeMarkup(one.reason)}</li>`).join('')}</ul>`,
    warnings.length === 0
      ? ''
      : `<ul class="warnings">${warnings
          .slice(0, 20)
          .map((warning) => `<li>! ${escapeMarkup(warning)}</li>`)
          .join('')}</ul>`,
    clauseCharts(clauses, verdict === 'invalid'),
    capacityParts(measurement.capacity),
    targetTable(measurement),
    timeCharts(measurement, series),
    errorCharts(measurement, series),
    distributionCharts(series),
    healthStrip(measurement, series),
    series.lines.length === 0 && measurement.targets.length === 0 && clauses.length === 0
      ? '<p class="quiet">Nothing was measured.</p>'
      : clauseTable(clauses),
    measurement.facts.length === 0 ? '' : `<h3>How it was measured</h3>${facts(measurement.facts)}`,
    '</section>',
  ].join('')
}

function lookWords({ look, stoppedBy, measuredSeconds }: ReportMeasurement): string {
  if (measuredSeconds === 0) return ''
  const why =
    stoppedBy === null || stoppedBy === 'look'
      ? ''
      : stoppedBy === 'errors'
        ? '; stopped early: errors were proven'
        : stoppedBy === 'hard-stop'
          ? '; stopped at once, to protect the service'
          : stoppedBy === 'distrust'
            ? '; not judged: the numbers cannot be trusted'
            : '; it ended before a look'
  const at = look === null || stoppedBy === 'distrust' ? '' : `, decided at look ${look.at} of ${look.of}`
  return `<p class="quiet">${number(measuredSeconds)} s measured${at}${why}.</p>`
}

function targetTable({ targets, slowAboveMs: _, arms }: ReportMeasurement): string {
  if (targets.length === 0) return ''
  const cell = (words: string): string => `<td class="n">${escapeMarkup(words)}</td>`
  const rows = targets.slice(0, MOST_TARGETS).map((target) => {
    const failed = Object.entries(target.errors).filter(([, count]) => count > 0)
    const all = failed.reduce((sum, [, count]) => sum + count, 0)
    const kinds = failed.map(([kind, count]) => `${number(count)} ${kind}`).join(', ')
    const role = arms.old.includes(target.name)
      ? ' <small>old</small>'
      : arms.old.length > 0 && arms.canary.includes(target.name)
        ? ' <small>new</small>'
        : ''
    const rate = target.offered === 0 ? '' : ` (${share(all / target.offered)})`
    return `<tr><th scope="row">${escapeMarkup(target.name, 100)}${role}</th><td class="n">${number(target.offered)}</td><td class="n">${number(target.sent)}</td><td class="n">${number(target.done)}</td><td class="n">${target.rps.toFixed(1)}</td><td class="n">${all === 0 ? '0' : `${number(all)}${rate}`}</td>${quantileWords(target, ['p50', 'p90', 'p95', 'p99']).map(cell).join('')}${cell(time(target.maxMs))}<td>${escapeMarkup(kinds)}</td></tr>`
  })
  const heads = ['offered', 'sent', 'ok', 'ok/s', 'failed', 'p50', 'p90', 'p95', 'p99', 'max']
  const left = targets.length - rows.length
  return `<h3>Targets</h3><div class="wide"><table><thead><tr><th scope="col">target</th>${heads.map((head) => `<th scope="col" class="n">${head}</th>`).join('')}<th scope="col">failures</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>${left > 0 ? `<p class="quiet">and ${left} more</p>` : ''}<p class="quiet">Quantiles are over all requests, failures slower than any success; &gt; timeout: it falls on a failure.</p>`
}

function facts(list: readonly ReportFact[]): string {
  if (list.length === 0) return ''
  return `<dl>${list
    .slice(0, 100)
    .map(({ label, value }) => `<dt>${escapeMarkup(label, 100)}</dt><dd>${escapeMarkup(value)}</dd>`)
    .join('')}</dl>`
}

function reproduce({ reproduce: commands }: ReportData): string {
  if (commands.length === 0) return ''
  return `<h3>Again</h3><pre>${commands.map((command) => escapeMarkup(command)).join('\n')}</pre>`
}
