import { RollgateError } from '../../domain/error.ts'
import { RollgateCommand } from '../base.ts'
import { given, rateOf } from '../flags.ts'
import { Flags } from '../oclif.ts'

export default class LoadSelftest extends RollgateCommand {
  static override description =
    'Sends to a target of its own that costs nothing, at rising rates, until requests are no longer sent in time: what this machine can measure now. A load test above it would be invalid.'
  static override examples = ['rollgate load selftest', 'Is 500/s possible from here:\nrollgate load selftest --rate 500/s']
  static override flags = {
    rate: Flags.string({ helpValue: 'N/s', description: 'Try this rate first; exit 11 when it is too much' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(LoadSelftest)
    const options = given({ ratePerSecond: plannedRate(flags.rate) })
    await this.carryOut(flags, async (context) => (await import('../../app/load.ts')).loadSelftest(options, context))
  }
}

const MOST = 100_000

/** A bare number means the same, as it always did. @throws RollgateError E_USAGE */
export function plannedRate(text: string | undefined): number | undefined {
  const rate = rateOf('--rate', text !== undefined && /^\d+$/.test(text) ? `${text}/s` : text)
  if (rate === undefined || (rate >= 1 && rate <= MOST)) return rate
  throw new RollgateError('E_USAGE', `--rate wants 1/s to ${MOST}/s, not ${JSON.stringify(text)}`, { hints: ['--rate 500/s'] })
}
