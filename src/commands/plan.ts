import { RollgateCommand } from './base.ts'
import { given, names, selectionFlags, skipFlags } from './flags.ts'
import { Flags } from './oclif.ts'
import { releaseFlags } from './release-flags.ts'

export default class Plan extends RollgateCommand {
  static override description =
    'Builds the artifact, looks at every host and balancer, and prints the plan that deploy would carry out: hosts, batches, steps and the way back. Nothing on the hosts is changed.'
  static override examples = [
    'rollgate plan -e production',
    'Store it, and deploy exactly this later:\nrollgate plan --out plan.json\nrollgate deploy --plan plan.json',
    'What would happen if web-2 did not restart:\nrollgate plan --fail web-2:restart',
    'Exit 9 when a deploy would change something:\nrollgate plan --detailed-exitcode',
  ]
  static override flags = {
    ...selectionFlags,
    ...releaseFlags,
    ...skipFlags,
    out: Flags.string({ helpValue: 'FILE', description: 'Store the plan, for deploy --plan' }),
    'detailed-exitcode': Flags.boolean({ description: 'Exit 9 when changes are pending' }),
    fail: names('What would happen if this step failed there; again for more', 'HOST:STEP'),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Plan)
    const { hosts, roles, artifact, release, rebuild, out, 'detailed-exitcode': detailedExitcode, fail } = flags
    const options = given({
      hosts,
      roles,
      artifact,
      release,
      rebuild,
      out,
      detailedExitcode,
      fail,
      skipGates: flags['skip-gates'],
      reason: flags.reason,
    })
    await this.carryOut(flags, async (context) => (await import('../app/plan.ts')).plan(options, context))
  }
}
