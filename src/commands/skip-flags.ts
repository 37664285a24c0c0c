// Going without the gates: allowed to everybody, and never without a word of why.
import { Flags } from './oclif.ts'

export const skipFlags = {
  'skip-gates': Flags.boolean({ description: 'Leave the gates out; the reason is kept with the rollout', dependsOn: ['reason'] }),
  reason: Flags.string({ helpValue: 'TEXT', description: 'Why', dependsOn: ['skip-gates'] }),
}
