import { RollgateCommand } from './base.ts'
import { Args } from './oclif.ts'

export default class Enable extends RollgateCommand {
  static override description = 'Asks the balancer to send it requests again, and waits until the balancer itself reports it as up.'
  static override examples = ['rollgate enable web-1', 'rollgate enable web-1 -e production']
  static override args = { host: Args.string({ required: true, description: 'Name of the host' }) }

  async run(): Promise<void> {
    const { flags, args } = await this.parse(Enable)
    await this.carryOut(flags, async (context) => (await import('../app/enable.ts')).enable({ host: args.host }, context))
  }
}
