import { RollgateCommand } from './base.ts'
import { given, selectionFlags } from './flags.ts'

export default class Releases extends RollgateCommand {
  static override examples = ['rollgate releases', 'rollgate releases --hosts web-1 --json']
  static override flags = selectionFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(Releases)
    const { hosts, roles } = flags
    await this.carryOut(flags, async (context) => (await import('../app/releases.ts')).releases(given({ hosts, roles }), context))
  }
}
