import { RollgateCommand } from './base.ts'
import { durationMs, eventsFlag, given, selectionFlags, waitLockFlag } from './flags.ts'
import { reported, reportFlags } from './report-flags.ts'

export default class Restart extends RollgateCommand {
  static override description = 'Each host is drained, restarted, proven and put back into rotation, in the batches of the configuration.'
  static override examples = ['rollgate restart -e production', 'rollgate restart --roles worker']
  static override flags = { ...selectionFlags, ...eventsFlag, ...reportFlags, ...waitLockFlag }

  async run(): Promise<void> {
    const { flags } = await this.parse(Restart)
    const { hosts, roles } = flags
    const options = given({ hosts, roles, waitLockMs: durationMs(flags['wait-lock']) })
    const work = reported(flags, async (context) => (await import('../app/restart.ts')).restart(options, context))
    await this.carryOut(flags, work, { interrupts: 'rollout' })
  }
}
