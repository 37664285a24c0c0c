import { RollgateCommand } from './base.ts'
import { eventsFlag } from './flags.ts'
import { reported, reportFlags } from './report-flags.ts'

export default class Abort extends RollgateCommand {
  static override description =
    'Takes back an unfinished rollout: every host that was touched returns to the release it had. Works from any machine.'
  static override examples = ['rollgate abort -e production']
  static override flags = { ...eventsFlag, ...reportFlags }

  async run(): Promise<void> {
    const { flags } = await this.parse(Abort)
    const work = reported(flags, async (context) => (await import('../app/resume.ts')).abort(context))
    await this.carryOut(flags, work, { interrupts: 'rollout' })
  }
}
