import { RollgateCommand } from '../base.ts'

export default class Lock extends RollgateCommand {
  static override description =
    'The lock is a lease on every host, kept by a heartbeat, or a rollout that is not finished. Says who holds it, since when, and which commands end it.'
  static override examples = ['rollgate lock -e production', 'rollgate lock --json']

  async run(): Promise<void> {
    const { flags } = await this.parse(Lock)
    await this.carryOut(flags, async (context) => (await import('../../app/lock.ts')).lock(context))
  }
}
