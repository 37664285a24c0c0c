// The home folder as a shell has it: HOME where it is set, else the account's.
import { homedir } from 'node:os'
import { join } from 'node:path'

export function homeDirectory(env: Readonly<Record<string, string | undefined>>): string {
  return env.HOME === undefined || env.HOME === '' ? homedir() : env.HOME
}

/** Where this machine keeps what it knows of rollouts, loads and gates: `$XDG_STATE_HOME/rollgate`, else in the home folder. */
export function stateDirectory(env: Readonly<Record<string, string | undefined>>): string {
  const state = env.XDG_STATE_HOME?.startsWith('/') ? env.XDG_STATE_HOME : join(homeDirectory(env), '.local', 'state')
  return join(state, 'rollgate')
}
