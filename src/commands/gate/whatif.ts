import { RollgateCommand } from '../base.ts'
import { given, names } from '../flags.ts'
import { Args, Flags } from '../oclif.ts'

export default class GateWhatIf extends RollgateCommand {
  static override description =
    'Judges what was measured once more, under other limits: what would the gate have said? It changes nothing of what was decided.'
  static override examples = [
    'rollgate gate whatif 46430f12 --margin p95=+10%',
    'A fixed limit:\nrollgate gate whatif 46430f12 --margin errors=0.2% --margin p95=250ms',
  ]
  static override args = { run: Args.string({ required: true, description: 'A rollout, or the run that `gate` printed' }) }
  static override flags = {
    margin: names('Another limit; a margin over the baseline where it begins with +', 'METRIC=LIMIT'),
    gate: Flags.string({ helpValue: 'NAME', description: 'Only this gate' }),
  }

  async run(): Promise<void> {
    const { flags, args } = await this.parse(GateWhatIf)
    const options = { run: args.run, margins: flags.margin ?? [], ...given({ gate: flags.gate }) }
    await this.carryOut(flags, async (context) => (await import('../../app/gate.ts')).gateWhatIf(options, context))
  }
}
