import { RollgateCommand } from './base.ts'
import { given, selectionFlags } from './flags.ts'

export default class Check extends RollgateCommand {
  static override description =
    'Reads only. Every line is ok, a warning or a problem, and what is wrong comes with the command or the setting that mends it. Exit 3 with a problem, 4 when a host cannot be reached.'
  static override examples = ['rollgate check', 'rollgate check -e production --hosts web-1', 'rollgate check --json']
  static override flags = selectionFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(Check)
    const { hosts, roles } = flags
    await this.carryOut(flags, async (context) => (await import('../app/check.ts')).check(given({ hosts, roles }), context))
  }
}
