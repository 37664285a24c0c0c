import { RollgateCommand } from './base.ts'
import { durationMs, eventsFlag, given, selectionFlags, waitLockFlag } from './flags.ts'
import { Args, Flags } from './oclif.ts'
import { reported, reportFlags } from './report-flags.ts'

export default class Rollback extends RollgateCommand {
  static override description =
    'The same pipeline as a deploy, faster: hosts are drained, restarted and proven, but pauses, approvals and load gates are left out. Hosts that lack the release get it from one that has it.'
  static override examples = [
    'rollgate rollback -e production',
    'rollgate rollback r41-9f3ab2c1',
    'To a release that had failed:\nrollgate rollback r40-77aa01bc --force --reason "only r41 has the leak"',
  ]
  static override args = { release: Args.string({ description: 'Release to go back to [the last one that succeeded]' }) }
  static override flags = {
    ...selectionFlags,
    ...eventsFlag,
    ...reportFlags,
    ...waitLockFlag,
    force: Flags.boolean({ description: 'Even to a release that failed', dependsOn: ['reason'] }),
    reason: Flags.string({ helpValue: 'TEXT', description: 'Why it is forced; kept with the rollout', dependsOn: ['force'] }),
  }

  async run(): Promise<void> {
    const { flags, args } = await this.parse(Rollback)
    const { hosts, roles, force, reason } = flags
    const options = given({ waitLockMs: durationMs(flags['wait-lock']), hosts, roles, force, reason, release: args.release })
    const work = reported(flags, async (context) => (await import('../app/rollback.ts')).rollback(options, context))
    await this.carryOut(flags, work, { interrupts: 'rollout' })
  }
}
