import { RollgateCommand } from './base.ts'
import { Args } from './oclif.ts'

export default class Drain extends RollgateCommand {
  static override description =
    'No new requests are sent to it, the running ones end (at most balancer.drain.deadline), and it stays out until rollgate enable.'
  static override examples = ['rollgate drain web-1', 'rollgate drain web-1 -e production']
  static override args = { host: Args.string({ required: true, description: 'Name of the host' }) }

  async run(): Promise<void> {
    const { flags, args } = await this.parse(Drain)
    await this.carryOut(flags, async (context) => (await import('../app/drain.ts')).drain({ host: args.host }, context))
  }
}
