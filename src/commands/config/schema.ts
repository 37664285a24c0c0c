import { RollgateCommand } from '../base.ts'

export default class ConfigSchema extends RollgateCommand {
  static override description = 'For editors: it describes every key, with its default.'
  static override examples = ['rollgate config schema > rollgate.schema.json']

  async run(): Promise<void> {
    const { flags } = await this.parse(ConfigSchema)
    await this.carryOut(flags, async () => (await import('../../app/config.ts')).configSchema())
  }
}
