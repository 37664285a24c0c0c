import { RollgateCommand } from '../base.ts'

export default class ConfigShow extends RollgateCommand {
  static override description =
    'The file with the environment merged in and the defaults filled in. Secrets are masked, and variables are shown as they are written.'
  static override examples = ['rollgate config show', 'rollgate config show -e production --json']

  async run(): Promise<void> {
    const { flags } = await this.parse(ConfigShow)
    await this.carryOut(flags, async (context) => (await import('../../app/config.ts')).showConfig(context))
  }
}
