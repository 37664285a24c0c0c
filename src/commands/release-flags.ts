// Which release: built here, given as a file, or installed already. Shared by plan, deploy and push.
import { Flags } from './oclif.ts'

export const releaseFlags = {
  artifact: Flags.string({ helpValue: 'PATH', description: 'Ship this instead of building', exclusive: ['release'] }),
  release: Flags.string({ helpValue: 'ID', description: 'A release that is installed already' }),
  rebuild: Flags.boolean({ description: 'Build even if nothing changed since the last build', exclusive: ['artifact', 'release'] }),
}
