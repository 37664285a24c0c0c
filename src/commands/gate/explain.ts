import { RollgateCommand } from '../base.ts'
import { given } from '../flags.ts'
import { Args, Flags } from '../oclif.ts'

export default class GateExplain extends RollgateCommand {
  static override description =
    'Works the verdicts of a rollout, or of a gate that was measured alone, out again from what was kept on this machine: each clause with its estimate, its interval and its limit, and the measurements that were thrown away.'
  static override examples = ['rollgate gate explain 46430f12', 'rollgate gate explain 46430f12 --gate canary --json']
  static override args = { run: Args.string({ required: true, description: 'A rollout, or the run that `gate` printed' }) }
  static override flags = { gate: Flags.string({ helpValue: 'NAME', description: 'Only this gate' }) }

  async run(): Promise<void> {
    const { flags, args } = await this.parse(GateExplain)
    const options = { run: args.run, ...given({ gate: flags.gate }) }
    await this.carryOut(flags, async (context) => (await import('../../app/gate.ts')).gateExplain(options, context))
  }
}
