import { RollgateCommand } from '../base.ts'
import { given } from '../flags.ts'
import { Args } from '../oclif.ts'

export default class GatePlan extends RollgateCommand {
  static override description =
    'Says what each clause of the gates needs: which cannot be decided in the time given, and what would suffice. Connects nowhere. Exit 3 when a gate would be refused.'
  static override examples = ['rollgate gate plan', 'rollgate gate plan canary -e production']
  static override args = { name: Args.string({ description: 'One of `gates` in the configuration [all]' }) }

  async run(): Promise<void> {
    const { flags, args } = await this.parse(GatePlan)
    await this.carryOut(flags, async (context) => (await import('../../app/gate.ts')).gatePlan(given({ name: args.name }), context))
  }
}
