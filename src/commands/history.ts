import { RollgateCommand } from './base.ts'
import { given, selectionFlags } from './flags.ts'
import { Flags } from './oclif.ts'

export default class History extends RollgateCommand {
  static override description = 'As the hosts remember it: who rolled out what, when, and how it ended.'
  static override examples = ['rollgate history', 'rollgate history --limit 100 --json']
  static override flags = {
    ...selectionFlags,
    limit: Flags.integer({ helpValue: 'N', min: 1, max: 200, description: 'At most so many [20]' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(History)
    const { hosts, roles, limit } = flags
    await this.carryOut(flags, async (context) => (await import('../app/history.ts')).history(given({ hosts, roles, limit }), context))
  }
}
