// What would happen if: the moves in their order, how it ends, and what every host would run then.
import type { SimulationDocument } from '../domain/document.ts'
import type { Style } from './style.ts'
import { table } from './table.ts'
import { oneLine } from './words.ts'

export function simulationText(simulation: SimulationDocument, style: Style): readonly string[] {
  const { fail, outcome, exitCode, because, moves, hosts, minReadySeen } = simulation
  const good = exitCode === 0
  return [
    '',
    style.bold(`if ${fail.map((fault) => oneLine(fault, 200)).join(' and ')} failed`),
    ...moves.map((move) => (move.startsWith('-- ') ? `  ${style.dim(oneLine(move.slice(3), 300))}` : `    ${oneLine(move, 300)}`)),
    '',
    `  ${good ? style.green('✔') : style.yellow('!')} ${outcome}, exit ${exitCode}${because === null ? '' : `: ${oneLine(because.message, 300)}  ${style.dim(because.code)}`}`,
    ...(minReadySeen === null ? [] : [`    never fewer than ${minReadySeen} ready`]),
    ...table(
      [{ title: 'host' }, { title: 'would run' }, { title: '' }],
      hosts.map((host) => [
        oneLine(host.name, 100),
        host.release === null ? 'nothing' : oneLine(host.release, 60),
        host.inRotation ? '' : style.yellow('out of rotation'),
      ]),
      style,
      4,
    ),
  ]
}
