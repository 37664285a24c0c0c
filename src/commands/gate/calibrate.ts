import { RollgateError } from '../../domain/error.ts'
import { RollgateCommand } from '../base.ts'
import { durationMs, given, names } from '../flags.ts'
import { Args, Flags } from '../oclif.ts'

export default class GateCalibrate extends RollgateCommand {
  static override description =
    'Measures how much the hosts differ while all run the same release, and keeps it for gates of the next day. With --aa it runs whole gates of hosts against hosts that are no different, and says how often the gate would have failed a good release.'
  static override examples = [
    'rollgate gate calibrate canary -e staging',
    'How often would it fail a good release here:\nrollgate gate calibrate canary --aa 20',
  ]
  static override args = { name: Args.string({ description: 'One of `gates` in the configuration; not needed where there is only one' }) }
  static override flags = {
    hosts: names('Only these hosts', 'NAME'),
    duration: Flags.string({ helpValue: 'DURATION', description: 'How long [as the gate says]' }),
    aa: Flags.integer({ helpValue: 'N', description: 'So many gates of the same release against itself', min: 1, max: 1000 }),
  }

  async run(): Promise<void> {
    const { flags, args } = await this.parse(GateCalibrate)
    const duration = durationMs(flags.duration)
    if (flags.duration !== undefined && (duration === undefined || duration < 15_000))
      throw new RollgateError('E_USAGE', `--duration wants at least 15 s with its unit, not ${JSON.stringify(flags.duration)}`, {
        hints: ['--duration 2m'],
      })
    const options = given({ name: args.name, hosts: flags.hosts, durationMs: duration, aa: flags.aa })
    await this.carryOut(flags, async (context) => (await import('../../app/gate-calibrate.ts')).gateCalibrate(options, context))
  }
}
