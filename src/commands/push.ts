import { RollgateCommand } from './base.ts'
import { durationMs, eventsFlag, given, selectionFlags, waitLockFlag } from './flags.ts'
import { releaseFlags } from './release-flags.ts'

export default class Push extends RollgateCommand {
  static override description =
    'The first half of a deploy alone: the release is built and put on every host, complete and verified. Prints its id; deploy --release rolls it out later, in seconds.'
  static override examples = ['rollgate push -e production', 'rollgate push --artifact dist.tar.gz', 'rollgate push --hosts web-1,web-2']
  static override flags = { ...selectionFlags, ...releaseFlags, ...eventsFlag, ...waitLockFlag }

  async run(): Promise<void> {
    const { flags } = await this.parse(Push)
    const { hosts, roles, artifact, release, rebuild } = flags
    const options = given({ waitLockMs: durationMs(flags['wait-lock']), hosts, roles, artifact, release, rebuild })
    await this.carryOut(flags, async (context) => (await import('../app/push.ts')).push(options, context))
  }
}
