// What a staging script's exit code means to a person.
import type { CommandResult } from '../../domain/command.ts'
import { type ErrorCode, type ErrorOptions, RollgateError } from '../../domain/error.ts'
import type { Layout } from '../../domain/layout.ts'
import type { ReleaseInfo } from '../../domain/release.ts'
import type { Connection } from '../../domain/transport.ts'
import { EXIT } from './exits.ts'

/** Worth another try; `because` is what is said when there is none left. */
export class Retry extends Error {
  readonly because: RollgateError

  constructor(because: RollgateError) {
    super(because.message)
    this.because = because
  }
}

/** Less than this free after a failed unpacking: the disk was full. */
const FULL_KILOBYTES = 4096

export function failed(
  result: CommandResult,
  at: { readonly connection: Connection; readonly layout: Layout; readonly info: ReleaseInfo },
): RollgateError | Retry {
  const host = at.connection.host.name
  const { id } = at.info
  const { root } = at.layout
  const evidence = `${result.stdout}\n${result.stderr}`
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-20)
  const error = (code: ErrorCode, message: string, more: ErrorOptions = {}) =>
    new RollgateError(code, message, { host, evidence, now: 'Nothing that runs there was touched', ...more })
  if (result.timedOut)
    return error('E_STAGE', `${host} took too long to take ${id}: given up after ${Math.round(result.durationMs / 60_000)} minutes`, {
      hints: ['Is its disk or the network stuck?', 'Run the same command again: it goes on from what is there'],
    })
  switch (result.exitCode) {
    case EXIT.root:
      return error('E_ROOT', `${root} on ${host} cannot be written`, {
        hints: ['`rollgate setup` makes it, where root is needed for that', 'Is the disk full?'],
      })
    case EXIT.currentIsFolder:
      return error('E_ROOT', `${at.layout.current} on ${host} is a real folder, not a link`, {
        hints: ['`rollgate setup --adopt` turns it into a release'],
      })
    case EXIT.unpack: {
      const free = /^free (\d+)$/m.exec(result.stdout)?.[1]
      if (free !== undefined && Number(free) < FULL_KILOBYTES)
        return error('E_DISK', `The disk of ${host} became full while ${id} was unpacked`, {
          hints: ['Free some space, or lower release.keep'],
        })
      return new Retry(error('E_STAGE', `${id} could not be unpacked on ${host}`))
    }
    case EXIT.verify:
      return new Retry(error('E_STAGE', `${id} did not arrive on ${host} as it was sent`))
    case EXIT.gone:
      return new Retry(error('E_STAGE', `The upload of ${id} on ${host} was removed by somebody else`))
    case EXIT.noHash:
      return error('E_STAGE', `${host} has neither sha256sum nor shasum, so nothing can be verified there`, {
        hints: ['Install coreutils, busybox or perl there'],
      })
    case EXIT.liveDamaged:
      return error('E_STAGE', `${id} is live on ${host}, but is not what was installed`, {
        why: 'Files of the running release were changed, or its record is gone',
        hints: ['Put what the app writes under release.shared', 'Roll back to another release first; then this one is staged afresh'],
      })
    case EXIT.otherRelease:
      return error('E_STAGE', `Another release is called ${id} on ${host}`, { hints: [`Look at ${at.layout.info(id)} there`] })
    case EXIT.commit:
      return error('E_STAGE', `${id} could not be put in place on ${host}`)
    default:
      return error(
        'E_STAGE',
        `Staging ${id} on ${host} ended with ${result.exitCode === null ? `signal ${result.signal ?? 'unknown'}` : `exit code ${result.exitCode}`}`,
      )
  }
}
