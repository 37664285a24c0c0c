import { RollgateCommand } from './base.ts'
import { eventsFlag } from './flags.ts'
import { reported, reportFlags } from './report-flags.ts'

export default class Resume extends RollgateCommand {
  static override description =
    'Goes on with a rollout that was interrupted, paused or left behind by a machine that died. Plan and progress are read from the hosts, so it works from any machine.'
  static override examples = ['rollgate resume -e production', 'From another machine, in a pipe:\nrollgate resume -e production --json']
  static override flags = { ...eventsFlag, ...reportFlags }

  async run(): Promise<void> {
    const { flags } = await this.parse(Resume)
    const work = reported(flags, async (context) => (await import('../app/resume.ts')).resume(context))
    await this.carryOut(flags, work, { interrupts: 'rollout' })
  }
}
