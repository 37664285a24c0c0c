// Targets as the settings of a load want them reached: over HTTP/2 where that is asked for, with an authority of the
// user's own. Careful about what cannot be: HTTP/2 is negotiated in a TLS handshake, so a plain target is refused by name
// before anything is sent, instead of being measured as a target that fails.
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { RollgateError } from '../domain/error.ts'
import type { LoadPlan } from './plan.ts'

/** @throws RollgateError E_LOAD */
export async function readyTargets({ settings, targets }: Pick<LoadPlan, 'settings' | 'targets'>): Promise<LoadPlan['targets']> {
  const { name, http2 = false, ca: file } = settings
  if (http2) refuseWithout(settings, targets)
  if (file === undefined && !http2) return targets
  const ca = file === undefined ? {} : { ca: await authorityIn(file, name) }
  const [first, ...rest] = targets
  const ready = (target: typeof first): typeof first => ({ ...target, ...ca, ...(http2 ? { http2 } : {}) })
  return [ready(first), ...rest.map(ready)]
}

function refuseWithout({ name, model, newConnectionEvery }: LoadPlan['settings'], targets: LoadPlan['targets']): void {
  const refuse = (why: string, hint: string): never => {
    throw new RollgateError('E_LOAD', `load "${name}": ${why}`, { hints: [hint] })
  }
  if (model.kind === 'closed')
    refuse('HTTP/2 is asked for, and the closed model (autocannon) speaks HTTP/1.1 only', 'give the load a rate instead of connections')
  if (newConnectionEvery !== undefined)
    refuse('many requests share a connection of HTTP/2: none is closed after so many', 'leave out new_connection_every, or http2')
  const plain = targets.find(({ origin }) => !origin.startsWith('https:'))
  if (plain !== undefined)
    refuse(
      `HTTP/2 is asked for, and ${plain.name} (${plain.origin}) is reached without TLS`,
      'an https address, or tls: true where the hosts’ own ports speak TLS',
    )
}

async function authorityIn(file: string, load: string): Promise<string> {
  const failed = (why: string, cause: unknown) => new RollgateError('E_LOAD', `load "${load}": ca: ${file} ${why}`, { cause })
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw failed('cannot be read', cause)
  })
  try {
    // Node takes any text for authorities, and then trusts what it found in it: nobody.
    void new X509Certificate(text)
  } catch (cause) {
    throw failed('holds no certificate', cause)
  }
  return text
}
