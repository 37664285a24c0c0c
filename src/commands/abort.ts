import { RollgateCommand } from './base.ts'
import { eventsFlag } from './flags.ts'

export default class Abort extends RollgateCommand {
  static override description =
    'Takes back an unfinished rollout: every host that was touched returns to the release it had. Works from any machine.'
  static override examples = ['rollgate abort -e production']
  static override flags = { ...eventsFlag }

  async run(): Promise<void> {
    const { flags } = await this.parse(Abort)
    await this.carryOut(flags, async (context) => (await import('../app/resume.ts')).abort(context), { interrupts: 'rollout' })
  }
}
