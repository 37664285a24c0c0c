import { RollgateCommand } from './base.ts'
import { eventsFlag } from './flags.ts'
import { reported, reportFlags } from './report-flags.ts'

export default class Promote extends RollgateCommand {
  static override description =
    'Answers the approval or the inconclusive gate that a paused rollout waits for with yes, and goes on with it.'
  static override examples = ['rollgate promote -e production']
  static override flags = { ...eventsFlag, ...reportFlags }

  async run(): Promise<void> {
    const { flags } = await this.parse(Promote)
    const work = reported(flags, async (context) => (await import('../app/resume.ts')).promote(context))
    await this.carryOut(flags, work, { interrupts: 'rollout' })
  }
}
