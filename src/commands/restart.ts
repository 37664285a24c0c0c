import { RollgateCommand } from './base.ts'
import { durationMs, eventsFlag, given, selectionFlags, waitLockFlag } from './flags.ts'

export default class Restart extends RollgateCommand {
  static override description = 'Each host is drained, restarted, proven and put back into rotation, in the batches of the configuration.'
  static override examples = ['rollgate restart -e production', 'rollgate restart --roles worker']
  static override flags = { ...selectionFlags, ...eventsFlag, ...waitLockFlag }

  async run(): Promise<void> {
    const { flags } = await this.parse(Restart)
    const { hosts, roles } = flags
    await this.carryOut(
      flags,
      async (context) =>
        (await import('../app/restart.ts')).restart(given({ hosts, roles, waitLockMs: durationMs(flags['wait-lock']) }), context),
      {
        interrupts: 'rollout',
      },
    )
  }
}
