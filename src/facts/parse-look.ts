// What a host says of itself, believed only where it has the form that was asked for. Lists are bounded, text is cleaned.
import { RollgateError } from '../domain/error.ts'
import type { DiskFacts, ReachableHost, RootState, ToolFacts } from '../domain/facts.ts'
import { parseLedger } from '../domain/ledger-line.ts'
import type { InstalledRelease, ReleaseInfo, ReleaseOutcome, Revision } from '../domain/release.ts'
import { cleanText } from '../util/text.ts'

export type Look = Omit<ReachableHost, 'host' | 'reachable' | 'destination' | 'services' | 'health' | 'clockSkewMs'> & {
  /** Seconds since the epoch on the host's clock. */
  readonly clockSeconds: number | null
}

/** @throws RollgateError E_COMMAND when the script did not come to its end; E_STATE_VERSION for state of a newer version */
export function parseLook(text: string, host: string): Look {
  const { all, one } = keyed(text)
  if (one('begin') !== '1' || one('end') !== '1')
    throw new RollgateError('E_COMMAND', `${host} did not answer the first look completely`, { host, exitCode: 4 })
  const installed = all('release').flatMap((line) => readRelease(line, host))
  const foreign = all('foreign').map((name) => cleanText(name, 300))
  const ledger = parseLedger(all('ledger').join('\n'))
  if (ledger.newer) throw newer(host, 'its ledger')
  const current = one('current')
  return {
    system: {
      os: word(one('os')),
      kernel: word(one('kernel')),
      arch: word(one('arch')),
      user: word(one('user')),
      uid: number(one('uid')) ?? -1,
      hostname: word(one('hostname')),
    },
    bootId: word(one('boot')),
    uptimeMs: Math.round((number(one('uptime')) ?? 0) * 1000),
    clockSeconds: number(one('clock')),
    addresses: [...new Set(all('address').filter(isAddress))],
    root: readRoot(one('root'), foreign.length > 0),
    current: current === '' ? null : cleanText(current, 300),
    releases: installed,
    foreignReleases: foreign,
    disk: readDisk(one),
    tools: readTools(one('tar'), new Set(all('tool'))),
    ledger: ledger.entries,
    sudo: readSudo(one('sudo')),
  }
}

/** What `roomScript` says; null when it cannot be known. */
export function parseRoom(text: string): DiskFacts | null {
  const { one } = keyed(text)
  return one('end') === '1' ? readDisk(one) : null
}

type Keyed = { all(key: string): readonly string[]; one(key: string): string }

function keyed(text: string): Keyed {
  const lines = text.split('\n').map((line): [string, string] => {
    const blank = line.indexOf(' ')
    return blank === -1 ? [line, ''] : [line.slice(0, blank), line.slice(blank + 1)]
  })
  const all = (key: string): readonly string[] => lines.flatMap(([name, value]) => (name === key ? [value] : []))
  return { all, one: (key) => all(key)[0] ?? '' }
}

function word(text: string): string {
  return cleanText(text.trim(), 200)
}

function number(text: string): number | null {
  return /^\d{1,15}(\.\d{1,6})?$/.test(text) ? Number(text) : null
}

function isAddress(text: string): boolean {
  if (!/^[0-9a-fA-F.:]{2,45}$/.test(text)) return false
  return !/^127\./.test(text) && text !== '::1' && !/^fe80:/i.test(text)
}

function readRoot(text: string, adopted: boolean): RootState {
  const [kind = '', ...rest] = text.split(' ')
  const detail = rest.join(' ')
  switch (kind) {
    case 'missing':
      return { kind: 'missing', parentWritable: detail === 'writable' }
    case 'usable':
      return { kind: 'usable', adopted, writable: detail === 'writable' }
    case 'folder':
      return { kind: 'current-is-folder' }
    default:
      return { kind: 'unusable', detail: detail === '' ? 'it could not be looked at' : cleanText(detail, 300) }
  }
}

/** Kilobytes in, bytes out. */
function readDisk(one: Keyed['one']): DiskFacts | null {
  const freeKilobytes = number(one('free'))
  if (freeKilobytes === null) return null
  const tempKilobytes = number(one('temp'))
  return {
    freeBytes: freeKilobytes * 1024,
    freeInodes: number(one('inodes')),
    tempFreeBytes: tempKilobytes === null ? null : tempKilobytes * 1024,
    tempFreeInodes: number(one('temp-inodes')),
  }
}

function readTools(tar: string, found: ReadonlySet<string>): ToolFacts {
  const flavour = tar.toLowerCase()
  return {
    tar:
      tar === ''
        ? 'missing'
        : flavour.includes('gnu tar')
          ? 'gnu'
          : flavour.includes('busybox')
            ? 'busybox'
            : flavour.includes('bsdtar')
              ? 'bsd'
              : 'other',
    zstd: found.has('zstd'),
    gzip: found.has('gzip'),
    sha256sum: found.has('sha256sum') || found.has('shasum'),
    // A systemctl without systemd (containers) drives nothing.
    systemctl: found.has('systemctl') && found.has('systemd-runs'),
    systemdRun: found.has('systemd-run') && found.has('systemd-runs'),
    setsid: found.has('setsid'),
  }
}

function readSudo(text: string): ReachableHost['sudo'] {
  switch (text) {
    case 'ok':
    case 'password':
    case 'denied':
    case 'unneeded':
      return text
    default:
      return 'missing'
  }
}

/** `MTIME OUTCOME ID JSON`; what is no record of ours is left out. */
function readRelease(line: string, host: string): readonly InstalledRelease[] {
  const match = /^(\d{1,12}) ([a-z]{1,20}) (\S{1,300}) (\{.*\})$/.exec(line)
  if (match === null) return []
  const [, installedAt = '', outcome = '', id = '', json = ''] = match
  const info = parseReleaseInfo(json, host)
  if (info === null || info.id !== id) return []
  return [{ ...info, installedAt: Number(installedAt), outcome: readOutcome(outcome) }]
}

function readOutcome(text: string): ReleaseOutcome {
  return text === 'succeeded' || text === 'failed' ? text : 'staged'
}

/** @returns null for what is no record. @throws RollgateError E_STATE_VERSION */
export function parseReleaseInfo(json: string, host: string): ReleaseInfo | null {
  const value = members(json)
  if (value === null) return null
  const version = value.get('version')
  if (typeof version === 'number' && version > 1) throw newer(host, 'a release there')
  const text = (key: string): string | null => {
    const found = value.get(key)
    return typeof found === 'string' && found.length <= 1_000 ? cleanText(found, 300) : null
  }
  const whole = (key: string): number | null => {
    const found = value.get(key)
    return typeof found === 'number' && Number.isSafeInteger(found) && found >= 0 ? found : null
  }
  const [id, hash, artifact, by] = [text('id'), text('hash'), text('artifact'), text('by')]
  const [counter, bytes, files] = [whole('counter'), whole('bytes'), whole('files')]
  if (
    version !== 1 ||
    id === null ||
    hash === null ||
    artifact === null ||
    by === null ||
    counter === null ||
    bytes === null ||
    files === null
  )
    return null
  if (!/^r\d{1,15}-[0-9a-f]{8}$/.test(id) || !/^[0-9a-f]{8,128}$/.test(hash) || !/^[0-9a-f]{8,128}$/.test(artifact)) return null
  return { version, id, counter, hash, artifact, bytes, files, by, revision: readRevision(value.get('revision')) }
}

function members(json: string): ReadonlyMap<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? new Map(Object.entries(value)) : null
  } catch {
    return null
  }
}

function readRevision(value: unknown): Revision | null {
  if (typeof value !== 'object' || value === null) return null
  const found = new Map<string, unknown>(Object.entries(value))
  const text = (key: string): string => {
    const member = found.get(key)
    return typeof member === 'string' ? cleanText(member, 300) : ''
  }
  if (text('commit') === '') return null
  return {
    commit: text('commit'),
    ...(text('branch') === '' ? {} : { branch: text('branch') }),
    dirty: found.get('dirty') === true,
    author: text('author'),
    subject: text('subject'),
  }
}

function newer(host: string, what: string): RollgateError {
  return new RollgateError('E_STATE_VERSION', `${host}: ${what} was written by a newer version of rollgate`, {
    host,
    hints: ['update rollgate on this machine'],
  })
}
