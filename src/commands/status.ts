import { RollgateCommand } from './base.ts'
import { given, selectionFlags } from './flags.ts'

export default class Status extends RollgateCommand {
  static override description =
    'The truth from the hosts and the balancers: release, health, place in the rotation, an unfinished rollout and the commands that end it, and drift. Exit 4 when no host answered.'
  static override examples = ['rollgate status -e production', 'rollgate status --json']
  static override flags = selectionFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(Status)
    const { hosts, roles } = flags
    await this.carryOut(flags, async (context) => (await import('../app/status.ts')).status(given({ hosts, roles }), context))
  }
}
