import { RollgateCommand } from './base.ts'
import { given, selectionFlags } from './flags.ts'
import { Flags } from './oclif.ts'

export default class Setup extends RollgateCommand {
  static override description =
    'What a deploy needs and may not do itself: the release root for your login, the systemd unit from the template. Doing it twice changes nothing. Needed only for what needs root.'
  static override examples = [
    'rollgate setup -e production',
    'Turn a current that is a real folder into a release:\nrollgate setup --adopt --hosts web-1',
  ]
  static override flags = {
    ...selectionFlags,
    adopt: Flags.boolean({ description: 'Make a release of a current that is a real folder' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Setup)
    const { hosts, roles, adopt } = flags
    await this.carryOut(flags, async (context) => (await import('../app/setup.ts')).setup(given({ hosts, roles, adopt }), context))
  }
}
