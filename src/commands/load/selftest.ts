import { RollgateCommand } from '../base.ts'
import { given } from '../flags.ts'
import { Flags } from '../oclif.ts'

export default class LoadSelftest extends RollgateCommand {
  static override description =
    'Sends to a target of its own that costs nothing, at rising rates, until requests are no longer sent in time: what this machine can measure now. A load test above it would be invalid.'
  static override examples = ['rollgate load selftest', 'Is 500/s possible from here:\nrollgate load selftest --rate 500']
  static override flags = {
    rate: Flags.integer({ helpValue: 'N', description: 'Try this rate first; exit 11 when it is too much', min: 1, max: 100_000 }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(LoadSelftest)
    const options = given({ ratePerSecond: flags.rate })
    await this.carryOut(flags, async (context) => (await import('../../app/load.ts')).loadSelftest(options, context))
  }
}
