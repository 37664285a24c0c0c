import { RollgateError } from '../domain/error.ts'
import { RollgateCommand } from './base.ts'
import { given } from './flags.ts'
import { Args, Flags } from './oclif.ts'

export default class Report extends RollgateCommand {
  static override description =
    'Makes the page of a past rollout, load test or gate, from what this machine keeps of it: one HTML file that needs nothing from anywhere.'
  static override examples = [
    'The newest:\nrollgate report',
    'rollgate report 46430f',
    'Into a file:\nrollgate report 46430f00 --out report.html',
    'Percentiles, for tools of HdrHistogram:\nrollgate report 46430f00 --out response.hgrm',
  ]
  static override args = { id: Args.string({ description: 'Of a rollout, a load test or a gate; its beginning will do [the newest]' }) }
  static override flags = {
    out: Flags.string({
      helpValue: 'FILE',
      description:
        'Where to; - for stdout [rollgate-ID.html]. Its end says what it is: .md, .xml (JUnit), .prom, .ndjson (slices), .hlog and .hgrm (HdrHistogram), else the page',
    }),
  }

  async run(): Promise<void> {
    const { flags, args } = await this.parse(Report)
    const { out } = flags
    if (out === '-' && flags.json) throw new RollgateError('E_USAGE', '--out - and --json both want stdout', { hints: ['--out FILE'] })
    await this.carryOut(flags, async (context) => (await import('../app/report.ts')).report(given({ id: args.id, out }), context))
  }
}
