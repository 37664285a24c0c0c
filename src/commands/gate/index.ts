import { RollgateCommand } from '../base.ts'
import { given, names } from '../flags.ts'
import { Args, Flags } from '../oclif.ts'
import { reportFlags, reportOptions } from '../report-flags.ts'

export default class Gate extends RollgateCommand {
  static override description =
    'Measures one gate against the live fleet and judges it, as a rollout would; nothing is deployed and nobody is taken out of rotation. The new release is what the newest hosts run, the old one what the others run. Exit 0 passed, 7 failed, 8 cannot say, 11 not a measurement.'
  static override examples = [
    'rollgate gate canary -e production',
    'These hosts count as new and as old:\nrollgate gate canary --canary web-1 --baseline web-2',
    'In a shadow job, that never fails:\nrollgate gate canary --json --exit-zero',
  ]
  static override args = { name: Args.string({ description: 'One of `gates` in the configuration; not needed where there is only one' }) }
  static override flags = {
    canary: names('These hosts run the new release', 'HOST'),
    baseline: names('These hosts run the old one', 'HOST'),
    ...reportFlags,
    'exit-zero': Flags.boolean({ description: 'Exit 0 whatever the verdict' }),
  }

  async run(): Promise<void> {
    const { flags, args } = await this.parse(Gate)
    const { canary, baseline, 'exit-zero': exitZero } = flags
    const options = { ...reportOptions(flags), ...given({ name: args.name, canary, baseline, exitZero }) }
    await this.carryOut(flags, async (context) => (await import('../../app/gate.ts')).gate(options, context))
  }
}
