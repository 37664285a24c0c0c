// One measurement by a load that another tool runs. It goes where our own would go: to one new host and, where something is
// compared, one old one, each at its own address or through a port of this machine that leads into its SSH connection.
import type { EngineSettings } from '../../domain/engine.ts'
import type { ImportEvidence } from '../../domain/evidence.ts'
import type { GateReport, GateSettings } from '../../domain/gate.ts'
import { type Door, openDoor } from '../../drivers/engine/door.ts'
import { runEngine } from '../../drivers/engine/run.ts'
import { judge } from '../../gate/judge.ts'
import type { LoadTarget } from '../../load/plan.ts'
import { type GatePlace, type GateWork, type LoadSource, withArms } from './arms.ts'

/** @throws RollgateError E_CANCELLED; E_LOAD when the tool is not there; whatever reaching a host throws */
export async function measureByEngine(
  gate: GateSettings,
  source: LoadSource,
  engine: EngineSettings,
  { place, ...of }: GateWork & { readonly place: GatePlace },
  signal: AbortSignal,
): Promise<{ readonly evidence: ImportEvidence; readonly report: GateReport }> {
  // A tool has one address: the host that was changed last speaks for the others.
  const alone = { ...place, hosts: place.hosts.slice(-1) }
  return withArms(gate, source, alone, of, signal, async ({ targets, old }) => {
    const doors: Door[] = []
    const addressOf = async (target: LoadTarget): Promise<string> => {
      const { connect, address, origin } = target
      if (connect === undefined) return address === undefined ? origin : `http://${bracketed(address.host)}:${address.port}`
      const door = await openDoor(connect, signal)
      doors.push(door)
      return door.origin
    }
    try {
      const [canary, control] = [targets.find(({ name }) => !old.includes(name)), targets.find(({ name }) => old.includes(name))]
      const { evidence } = await runEngine({
        settings: engine,
        target: canary === undefined ? null : await addressOf(canary),
        against: control === undefined ? null : await addressOf(control),
        ...{ env: of.context.env, clauses: gate.pass, signal },
        confidence: gate.confidence,
        onLine: (name, text) => of.emit({ type: 'output', source: 'gate', line: { stream: 'stdout', text: `${name}: ${text}` } }),
      })
      return { evidence, report: judge(gate, evidence) }
    } finally {
      for (const door of doors) await door.close()
    }
  })
}

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host)
