// The environment file of a release: systemd's EnvironmentFile syntax (systemd.exec(5)), in the part of it that a POSIX
// shell reads the same way, so that command services can source it. Every value is in double quotes, where both give a
// backslash a meaning only before `"`, `\`, `$` and a backtick, and keep a newline as it is.
import { RollgateError } from '../../domain/error.ts'
import type { ReleaseId } from '../../domain/release.ts'

/** `ROLLGATE_RELEASE` is ours, whatever `env` says. @throws RollgateError E_STAGE */
export function envFile(release: ReleaseId, env: Readonly<Record<string, string>>): string {
  return Object.entries({ ...env, ROLLGATE_RELEASE: release })
    .map(([name, value]) => `${checkedName(name)}="${checkedValue(name, value).replace(/["\\$`]/g, '\\$&')}"\n`)
    .join('')
}

function checkedName(name: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return name
  throw new RollgateError('E_STAGE', `${JSON.stringify(name)} cannot be the name of an environment variable`, {
    hints: ['Change release.env'],
  })
}

/** The value itself is never shown: it may be a secret. */
function checkedValue(name: string, value: string): string {
  if (!value.includes('\0') && value.isWellFormed()) return value
  throw new RollgateError('E_STAGE', `The value of ${name} holds a zero byte or half a character, which no environment can`, {
    hints: ['Change release.env'],
  })
}
