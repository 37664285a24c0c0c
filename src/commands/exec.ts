import { RollgateError } from '../domain/error.ts'
import { RollgateCommand } from './base.ts'
import { given, selectionFlags } from './flags.ts'

export default class Exec extends RollgateCommand {
  static override description =
    'The words after -- are the command, exactly as they are: no shell looks at them. Output lines begin with the name of the host. Exit 12 when the command failed on a host.'
  static override examples = ['rollgate exec -- uptime', 'A shell, where one is wanted:\nrollgate exec --hosts web-1 -- sh -c "ls /srv/*"']
  static override usage = 'exec [FLAGS] -- COMMAND [WORD...]'
  static override flags = selectionFlags

  async run(): Promise<void> {
    // The parser would sort the words and take some of them for its own; and it forgets what it was not given.
    const words = [...this.argv]
    const end = words.indexOf('--')
    const { flags } = await this.parse(Exec, end === -1 ? words : words.slice(0, end))
    const argv = end === -1 ? [] : words.slice(end + 1)
    if (argv.length === 0) throw new RollgateError('E_USAGE', 'exec needs a command after --', { hints: ['rollgate exec -- uptime'] })
    const { hosts, roles } = flags
    await this.carryOut(flags, async (context) => (await import('../app/exec.ts')).exec({ ...given({ hosts, roles }), argv }, context), {
      live: false,
      text: () => '',
    })
  }
}
