import { RollgateCommand } from '../base.ts'

export default class ConfigValidate extends RollgateCommand {
  static override description = 'Of all environments, or of the one that is named. Connects nowhere. Exit 2 with a problem.'
  static override examples = ['rollgate config validate', 'rollgate config validate -c ops/rollgate.yml --json']

  async run(): Promise<void> {
    const { flags } = await this.parse(ConfigValidate)
    await this.carryOut(flags, async (context) => (await import('../../app/config.ts')).validate(context))
  }
}
