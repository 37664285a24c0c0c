// Which file is meant, and its text. Read once, as bytes, with limits: it is untrusted like everything in it.
import { open, stat } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { RollgateError } from '../domain/error.ts'
import { showText } from './text.ts'
import { LIMITS } from './yaml.ts'

const NAMES = ['rollgate.yml', 'rollgate.yaml']

export type FindOptions = {
  /** `--config` */
  readonly file?: string
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
}

/**
 * Absolute path: `--config`, else ROLLGATE_CONFIG, else rollgate.yml or rollgate.yaml here or in a folder above, up to the
 * repository's root. @throws RollgateError E_CONFIG_MISSING
 */
export async function findConfig(options: FindOptions): Promise<string> {
  const fromEnv = options.env.ROLLGATE_CONFIG
  const named = options.file ?? (fromEnv === '' ? undefined : fromEnv)
  if (named !== undefined) {
    const file = resolve(options.cwd, named)
    if (await isFile(file)) return file
    const how = options.file === undefined ? 'ROLLGATE_CONFIG names' : '--config names'
    throw new RollgateError('E_CONFIG_MISSING', `${how} ${showText(named, { atMost: 200 })}, and there is no such file`, {
      hints: ['rollgate init writes a rollgate.yml'],
    })
  }
  for (let folder = resolve(options.cwd); ; folder = dirname(folder)) {
    for (const name of NAMES) if (await isFile(join(folder, name))) return join(folder, name)
    if ((await exists(join(folder, '.git'))) || folder === dirname(folder)) break
  }
  throw new RollgateError('E_CONFIG_MISSING', 'there is no rollgate.yml here or in a folder above', {
    why: `looked from ${showText(options.cwd, { quotes: false, atMost: 200 })} up to the repository's root`,
    hints: ['rollgate init writes one', 'rollgate -c FILE reads another file', 'rollgate demo shows everything without one'],
  })
}

/** As messages name it: relative where that is shorter. */
export function shownFile(file: string, cwd: string): string {
  const short = relative(cwd, file)
  return short !== '' && !short.startsWith('..') ? short : file
}

/** The text, or what is wrong with the file as a whole. @throws RollgateError E_CONFIG_MISSING when it cannot be read */
export async function readConfig(file: string): Promise<{ readonly text: string } | { readonly problem: string }> {
  let bytes: Buffer
  try {
    const handle = await open(file, 'r')
    try {
      // One byte more than allowed: then it is too large, however large.
      const buffer = Buffer.alloc(LIMITS.bytes + 1)
      let length = 0
      for (;;) {
        const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null)
        length += bytesRead
        if (bytesRead === 0 || length === buffer.length) break
      }
      bytes = buffer.subarray(0, length)
    } finally {
      await handle.close()
    }
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown reason'
    throw new RollgateError('E_CONFIG_MISSING', `${showText(file, { quotes: false, atMost: 200 })} cannot be read (${why})`, { cause })
  }
  if (bytes.length > LIMITS.bytes) return { problem: 'the file is larger than 1 MiB' }
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) }
  } catch {
    return { problem: 'the file is not UTF-8 text' }
  }
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isFile() ?? false
}
async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null
}
