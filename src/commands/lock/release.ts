import { RollgateCommand } from '../base.ts'
import { given } from '../flags.ts'
import { Flags } from '../oclif.ts'

export default class LockRelease extends RollgateCommand {
  static override description =
    'Takes the lock away from whoever holds it: a holder who is alive after all is refused by every host from then on, and an unfinished rollout is closed where it stands. Asks for the name of the environment (or of the app) to be typed.'
  static override examples = [
    'rollgate lock release -e production',
    'Without a terminal:\nrollgate lock release -e production --confirm production',
  ]
  static override flags = {
    confirm: Flags.string({ helpValue: 'NAME', description: 'The typed name, where there is no terminal' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(LockRelease)
    const options = given({ confirm: flags.confirm })
    await this.carryOut(flags, async (context) => (await import('../../app/lock.ts')).lockRelease(options, context))
  }
}
