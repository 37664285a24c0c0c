// What holds between keys: hosts that must exist, keys that exclude each other, steps that must grow. Each rule reads the
// tree and not the schema's result, so that it speaks even while some other value is wrong; it stays silent about what
// the schema says already.
import { OTHER_ROLES } from '../domain/config.ts'
import type { Report } from './problems.ts'
import { checkGates, isIsolatedGate } from './rules-gate.ts'
import { checkLoads } from './rules-load.ts'
import { checkRole, exactlyOne, type RuleContext } from './rules-role.ts'
import { nearest, showText } from './text.ts'
import { itemsOf, keyOf, type Node, namesIn, nodeAt, type Path, placeOf, textAt } from './tree.ts'
import { share } from './values.ts'

/** `inventory`: the file names other sources of hosts. */
export function checkRules(root: Node, options: { readonly inventory: boolean }, report: Report): void {
  const context: RuleContext = { root, report }
  if (!options.inventory) atLeastOneAppHost(context)
  jumps(context)
  for (const place of [[], ...namesIn(root, ['roles']).map((role) => ['roles', role])]) checkRole(context, place)
  sharedPaths(context)
  checkLoads(context)
  checkGates(context)
  steps(context)
  for (const moment of ['before_rollout', 'before_activate', 'after_activate', 'after_rollout', 'on_failure']) hookMoment(context, moment)
  for (const secret of namesIn(root, ['secrets'])) exactlyOne(context, ['secrets', secret], ['env', 'file', 'command'])
}

function atLeastOneAppHost({ root, report }: RuleContext): void {
  const node = nodeAt(root, ['hosts'])
  if (node !== undefined && node.kind !== 'map') return
  const isApp = (name: string): boolean => {
    const roles = itemsOf(root, ['hosts', name, 'roles'])
    return roles.length === 0 || roles.some((role) => role.kind !== 'scalar' || !OTHER_ROLES.includes(String(role.value)))
  }
  if (namesIn(root, ['hosts']).some(isApp)) return
  const only = namesIn(root, ['hosts']).length > 0 ? ': these only have the role `balancer` or `generator`' : ''
  report(placeOf(root, ['hosts']), keyOf(root, ['hosts']), `needs at least one host to deploy to${only}`)
}

function jumps({ root, report }: RuleContext): void {
  const circles = new Set<string>()
  for (const name of namesIn(root, ['hosts'])) {
    const way = [name]
    for (let next = textAt(root, ['hosts', name, 'via']); next !== undefined; next = textAt(root, ['hosts', next, 'via'])) {
      // A name that is no host of ours is OpenSSH's business.
      if (nodeAt(root, ['hosts', next]) === undefined) break
      way.push(next)
      if (next === name && !way.some((host) => circles.has(host))) {
        for (const host of way) circles.add(host)
        const path = ['hosts', name, 'via']
        report(
          nodeAt(root, path)?.at ?? placeOf(root, path),
          keyOf(root, path),
          `jumps in a circle: ${way.map((host) => showText(host, { quotes: false })).join(' → ')}`,
        )
      }
      if (way.indexOf(next) < way.length - 1) break
    }
  }
}

function sharedPaths({ root, report }: RuleContext): void {
  const seen: string[] = []
  for (const item of itemsOf(root, ['release', 'shared'])) {
    if (item.kind !== 'scalar' || typeof item.value !== 'string') continue
    const path = item.value.replace(/\/+$/, '')
    const other = seen.find((one) => one === path || path.startsWith(`${one}/`) || one.startsWith(`${path}/`))
    if (other === path) report(item.at, item.key, `${showText(path)} stands here twice`)
    else if (other !== undefined) report(item.at, item.key, `${showText(path)} and ${showText(other)}: one lies inside the other`)
    seen.push(path)
  }
}

const STEP_KINDS = ['deploy', 'gate', 'pause', 'approve', 'hook'] as const

function steps(context: RuleContext): void {
  const { root, report } = context
  const all = itemsOf(root, ['rollout', 'steps'])
  const node = nodeAt(root, ['rollout', 'steps'])
  if (node?.kind !== 'list') return
  let deploys = 0
  const last = new Map<string, number>()
  all.forEach((_, index) => {
    const path = ['rollout', 'steps', index]
    exactlyOne(context, path, STEP_KINDS)
    onlyHere(context, [...path, 'hook'], 'local', 'a step between batches runs on this machine')
    gateStep(context, path, deploys)
    const deploy = nodeAt(root, [...path, 'deploy'])
    if (deploy === undefined) return
    deploys += 1
    const parsed = deploy.kind === 'scalar' ? share({ zero: false }).parse(deploy.value) : null
    if (parsed === null || !('value' in parsed)) return
    const size = parsed.value.kind === 'count' ? parsed.value.count : parsed.value.percent
    const before = last.get(parsed.value.kind) ?? 0
    if (size <= before) report(deploy.at, deploy.key, 'does not go further than the step before: shares are cumulative')
    last.set(parsed.value.kind, Math.max(size, before))
  })
  if (deploys === 0) report(placeOf(root, ['rollout', 'steps']), node.key, 'needs at least one `deploy` step')
}

/** A gate that is there; an isolated one needs a deploy before it, whose hosts it holds back. */
function gateStep({ root, report }: RuleContext, path: readonly (string | number)[], deploys: number): void {
  const wanted = textAt(root, [...path, 'gate'])
  const at = nodeAt(root, [...path, 'gate'])
  if (wanted === undefined || at === undefined) return
  const gates = namesIn(root, ['gates'])
  if (!gates.includes(wanted)) report(at.at, at.key, `${showText(wanted)} is not under \`gates\``, nearest(wanted, gates))
  else if (deploys === 0 && isIsolatedGate(root, wanted))
    report(at.at, at.key, 'is isolated: it needs a `deploy` step before it, whose hosts it measures')
}

function hookMoment(context: RuleContext, moment: string): void {
  const { root, report } = context
  const onHosts = moment === 'before_activate' || moment === 'after_activate'
  const seen = new Set<string>()
  itemsOf(root, ['hooks', moment]).forEach((_, index) => {
    const path = ['hooks', moment, index]
    const why = onHosts
      ? 'this moment belongs to each host, the command runs there'
      : 'this moment belongs to no single host: use before_activate or after_activate'
    onlyHere(context, path, onHosts ? 'host' : 'local', why)
    const name = textAt(root, [...path, 'name'])
    const named = nodeAt(root, [...path, 'name'])
    if (name !== undefined && named !== undefined && seen.has(name))
      report(named.at, named.key, `${showText(name)} names two hooks of ${moment}`)
    if (name !== undefined) seen.add(name)
  })
}

function onlyHere({ root, report }: RuleContext, path: Path, place: 'local' | 'host', why: string): void {
  const on = nodeAt(root, [...path, 'on'])
  if (on?.kind === 'scalar' && (on.value === 'local' || on.value === 'host') && on.value !== place) {
    report(on.at, on.key, `must be ${place}: ${why}`)
  }
}
