import { RollgateCommand } from './base.ts'
import { eventsFlag } from './flags.ts'

export default class Promote extends RollgateCommand {
  static override description =
    'Answers the approval or the inconclusive gate that a paused rollout waits for with yes, and goes on with it.'
  static override examples = ['rollgate promote -e production']
  static override flags = { ...eventsFlag }

  async run(): Promise<void> {
    const { flags } = await this.parse(Promote)
    await this.carryOut(flags, async (context) => (await import('../app/resume.ts')).promote(context), { interrupts: 'rollout' })
  }
}
