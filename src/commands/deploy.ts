import { RollgateCommand } from './base.ts'
import { durationMs, eventsFlag, given, selectionFlags, skipFlags, waitLockFlag } from './flags.ts'
import { Flags } from './oclif.ts'
import { releaseFlags } from './release-flags.ts'
import { reported, reportFlags } from './report-flags.ts'

export default class Deploy extends RollgateCommand {
  static override description =
    'Builds once, stages the release on every host before anything is touched, then takes host after host through drain, switch, restart, proof and back into rotation. What fails is undone. Exit codes: 0 done, 5 undone, 6 needs a person, 7 a gate said no.'
  static override examples = [
    'rollgate deploy -e production',
    'See what would happen:\nrollgate deploy --dry-run',
    'In a CI job:\nrollgate deploy -e production --yes --json --events events.ndjson',
    'A release that push has put on the hosts:\nrollgate deploy --release r42-9f3ab2c1',
  ]
  static override flags = {
    ...selectionFlags,
    ...releaseFlags,
    ...skipFlags,
    ...eventsFlag,
    ...reportFlags,
    ...waitLockFlag,
    plan: Flags.string({ helpValue: 'FILE', description: 'Carry out this stored plan; refused when it is stale' }),
    'dry-run': Flags.boolean({ description: 'Print the plan and change nothing (as rollgate plan)', exclusive: ['plan'] }),
    out: Flags.string({ helpValue: 'FILE', description: 'With --dry-run: store the plan', dependsOn: ['dry-run'] }),
    'detailed-exitcode': Flags.boolean({ description: 'With --dry-run: exit 9 when changes are pending', dependsOn: ['dry-run'] }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Deploy)
    const { hosts, roles, artifact, release, rebuild, plan, out, 'dry-run': dryRun, 'detailed-exitcode': detailedExitcode } = flags
    const options = given({
      waitLockMs: durationMs(flags['wait-lock']),
      hosts,
      roles,
      artifact,
      release,
      rebuild,
      plan,
      out,
      dryRun,
      detailedExitcode,
      skipGates: flags['skip-gates'],
      reason: flags.reason,
    })
    const work = reported(flags, async (context) => (await import('../app/deploy.ts')).deploy(options, context))
    await this.carryOut(flags, work, { interrupts: 'rollout' })
  }
}
