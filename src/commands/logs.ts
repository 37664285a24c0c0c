import { RollgateCommand } from './base.ts'
import { given, selectionFlags } from './flags.ts'
import { Flags } from './oclif.ts'

export default class Logs extends RollgateCommand {
  static override description = 'Each line begins with the name of its host.'
  static override examples = ['rollgate logs', 'rollgate logs -f --hosts web-1', 'rollgate logs --since "10 min ago" --lines 200']
  static override flags = {
    ...selectionFlags,
    follow: Flags.boolean({ char: 'f', description: 'Go on until Ctrl-C' }),
    since: Flags.string({ helpValue: 'TIME', description: 'Not older than this, in journalctl’s words' }),
    lines: Flags.integer({ char: 'n', helpValue: 'N', min: 0, max: 100_000, description: 'The last so many lines of each host [50]' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Logs)
    const { hosts, roles, follow, since, lines } = flags
    const options = given({ hosts, roles, follow, since, lines })
    await this.carryOut(flags, async (context) => (await import('../app/logs.ts')).logs(options, context), {
      ...(follow ? { interrupts: 'follow' as const } : {}),
      live: false,
      text: () => '',
    })
  }
}
