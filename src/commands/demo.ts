import { RollgateCommand } from './base.ts'
import { given } from './flags.ts'
import { Flags } from './oclif.ts'

export default class Demo extends RollgateCommand {
  static override description =
    'A sandbox fleet on loopback (embedded SSH servers with real shells, a small app, an embedded balancer), then real deploys: a first one, a rolling one under traffic, and a broken release that is stopped at the canary and undone. Nothing is installed, and nothing is left behind.'
  static override examples = [
    'rollgate demo',
    'rollgate demo --hosts 5',
    'Leave the fleet running, with a configuration to play with:\nrollgate demo --keep',
  ]
  static override flags = {
    hosts: Flags.integer({ helpValue: 'N', min: 1, max: 20, description: 'Number of app hosts [3]' }),
    keep: Flags.boolean({ description: 'Leave the fleet running until Ctrl-C' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Demo)
    const { hosts, keep } = flags
    await this.carryOut(flags, async (context) => (await import('../app/demo.ts')).demo(given({ hosts, keep }), context), {
      interrupts: 'rollout',
    })
  }
}
