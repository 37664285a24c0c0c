// The rules of `gates`: one source, a load that exists, only keys that this source has, clauses that read at their line
// and have something to compare with. What needs numbers (can it be decided in the time given?) is the planner's.
import { isRelative } from '../domain/clause.ts'
import { parseClause } from '../domain/clause-parse.ts'
import { exactlyOne, type RuleContext } from './rules-role.ts'
import { nearest, showText } from './text.ts'
import { itemsOf, keyOf, type MapNode, type Node, namesIn, nodeAt, type Path, placeOf, textAt } from './tree.ts'
import { duration } from './values.ts'

export const GATE_KINDS = ['load', 'prometheus', 'command', 'approval', 'import'] as const
const OF_LOADS = ['at', 'when', 'against', 'calibrate', 'confidence']

export function checkGates(context: RuleContext): void {
  for (const name of namesIn(context.root, ['gates'])) {
    const path: Path = ['gates', name]
    const node = nodeAt(context.root, path)
    if (node?.kind === 'map') checkGate(context, path, node)
  }
}

function checkGate(context: RuleContext, path: Path, node: MapNode): void {
  const { report } = context
  exactlyOne(context, path, GATE_KINDS)
  const kind = GATE_KINDS.find((one) => node.entries.has(one))
  if (kind === undefined) return
  if (kind !== 'load') {
    for (const key of OF_LOADS.filter((one) => !(kind === 'import' && one === 'confidence'))) {
      const entry = node.entries.get(key)
      if (entry !== undefined) report(entry.at, entry.value.key, `belongs to a gate with \`load\`, and this one has \`${kind}\``)
    }
  }
  clauses(context, path, node)
  asked(context, path, node, kind)
  if (kind === 'load') loadGate(context, path, node)
}

/** Something must be asked, and of the right kind: a gate that asks nothing would pass everything. */
function asked({ root, report }: RuleContext, path: Path, node: MapNode, kind: (typeof GATE_KINDS)[number]): void {
  const pass = node.entries.get('pass')
  const none = pass === undefined || (pass.value.kind === 'list' && pass.value.items.length === 0)
  const decidesAlone = kind === 'command' ? 'the exit code' : kind === 'approval' ? 'the answer' : null
  const isBurn = kind === 'prometheus' && nodeAt(root, [...path, 'prometheus', 'burn']) !== undefined
  if (decidesAlone !== null || isBurn) {
    if (pass !== undefined && !none) report(pass.at, pass.value.key, `has no place here: ${decidesAlone ?? 'the burn rate'} decides`)
    return
  }
  // What compares and says nothing else has the usual margins.
  if (kind === 'load' && node.entries.has('against')) return
  const example = kind === 'prometheus' ? 'value < 1' : 'p95 < 300ms'
  if (none) report(pass?.at ?? placeOf(root, path), keyOf(root, [...path, 'pass']), `asks nothing: add a clause such as \`${example}\``)
}

function clauses(context: RuleContext, path: Path, node: MapNode): void {
  const { root, report } = context
  itemsOf(root, [...path, 'pass']).forEach((item, index) => {
    const place: Path = item.kind === 'map' ? [...path, 'pass', index, 'clause'] : [...path, 'pass', index]
    const written = textAt(root, place)
    const at = nodeAt(root, place)
    if (written === undefined || at === undefined) return
    const above = nodeAt(root, [...path, 'pass', index, 'above'])
    const aboveMs = above?.kind === 'scalar' ? duration().parse(above.value) : null
    const parsed = parseClause(written, { aboveMs: aboveMs !== null && 'value' in aboveMs ? aboveMs.value : null })
    if ('problem' in parsed) {
      report(at.at, at.key, parsed.problem, parsed.nearest)
      return
    }
    const { metric } = parsed.clause
    if (above !== undefined && metric.kind !== 'slow')
      report(above.at, above.key, 'says what `slow` means, and this clause does not ask for it')
    const isQuery = metric.kind === 'value' || metric.kind === 'burn'
    if (isQuery !== node.entries.has('prometheus'))
      report(
        at.at,
        at.key,
        isQuery ? 'asks what only a gate with `prometheus` knows' : 'asks for requests: a query is judged by `value < 1`',
      )
    else if (isRelative(parsed.clause) && node.entries.has('load') && !node.entries.has('against'))
      report(at.at, at.key, 'compares with the old release: add `against: { baseline: drained-peer }`')
    else if (metric.kind === 'capacity' && node.entries.has('load')) capacity(context, path, at)
  })
}

/** Its bursts ask for all that a host can give: of a pair that serves nobody, and of no other. */
function capacity({ root, report }: RuleContext, path: Path, clause: Node): void {
  if (textAt(root, [...path, 'against', 'baseline']) === 'drained-peer') return
  report(
    clause.at,
    clause.key,
    'loads both hosts with all that they can give: only `against: { baseline: drained-peer }` takes both out of rotation',
  )
}

function loadGate({ root, report }: RuleContext, path: Path, node: MapNode): void {
  const loads = namesIn(root, ['loads'])
  const wanted = textAt(root, [...path, 'load'])
  const load = nodeAt(root, [...path, 'load'])
  if (wanted !== undefined && load !== undefined && !loads.includes(wanted))
    report(load.at, load.key, `${showText(wanted)} is not under \`loads\``, nearest(wanted, loads))
  const at = textAt(root, [...path, 'at']) ?? 'canary'
  const against = node.entries.get('against')
  if (against !== undefined && at !== 'canary')
    report(against.at, against.value.key, 'compares hosts: that needs `at: canary`, the new hosts’ own addresses')
  const engine = nodeAt(root, ['loads', wanted ?? '', 'engine'])
  const alone = engine?.kind === 'map' && (engine.entries.has('locust') ? 'locust' : engine.entries.has('jmeter') ? 'jmeter' : false)
  if (against !== undefined && typeof alone === 'string')
    report(against.at, against.value.key, `compares hosts, and ${alone} cannot load two at once: k6, vegeta and our own loads can`)
  const when = node.entries.get('when')
  const isolated = textAt(root, [...path, 'when']) === 'isolated'
  const baseline = textAt(root, [...path, 'against', 'baseline'])
  if (when !== undefined && isolated && at === 'balancer')
    report(when.at, when.value.key, 'an isolated host gets nothing from the balancer: use `at: canary`')
  if (when !== undefined && isolated && baseline === 'in-rotation')
    report(when.at, when.value.key, 'both hosts serve `in-rotation`: use `when: serving`, or `baseline: drained-peer`')
  if (when !== undefined && textAt(root, [...path, 'when']) === 'serving' && baseline === 'drained-peer')
    report(when.at, when.value.key, 'a drained peer is compared with an isolated host: use `when: isolated`, or `baseline: in-rotation`')
  const restart = nodeAt(root, [...path, 'against', 'restart'])
  if (restart?.kind === 'scalar' && restart.value === true && baseline !== 'drained-peer')
    report(restart.at, restart.key, 'restarts the old host, which must be out of rotation for it: use `baseline: drained-peer`')
}

/** As build-gate.ts decides it. */
export function isIsolatedGate(root: Node, name: string): boolean {
  const path: Path = ['gates', name]
  if (textAt(root, [...path, 'load']) === undefined) return false
  const when = textAt(root, [...path, 'when'])
  if (when !== undefined) return when === 'isolated'
  const baseline = textAt(root, [...path, 'against', 'baseline'])
  return (textAt(root, [...path, 'at']) ?? 'canary') === 'canary' && (baseline === undefined || baseline === 'drained-peer')
}
