// The home folder as a shell has it: HOME where it is set, else the account's.
import { homedir } from 'node:os'

export function homeDirectory(env: Readonly<Record<string, string | undefined>>): string {
  return env.HOME === undefined || env.HOME === '' ? homedir() : env.HOME
}
