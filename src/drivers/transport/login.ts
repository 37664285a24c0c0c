// Which keys are offered, in OpenSSH's order: those that the agent holds and the configuration names, the agent's others,
// key files. Careful about the host's patience (sshd counts every key, MaxAuthTries 6) and about the person's: a
// passphrase is only asked for when the host would take the key, and only once for all hosts.
import type { Ask } from '../../domain/ask.ts'
import type { SshSettings } from '../../domain/config.ts'
import { RollgateError } from '../../domain/error.ts'
import { quote } from '../../util/shell.ts'
import { cleanText } from '../../util/text.ts'
import { listAgent } from './agent.ts'
import { agentIdentities, type Identity, type PrivateKey, parsePrivateKey, parsePublicKey } from './client.ts'
import { keyType } from './known-hosts.ts'
import type { Destination } from './resolve.ts'
import { inspect, type KeyText, keyFromEnvironment, readable, readKeyFile, unusable } from './ssh-keys.ts'

export type LoginContext = {
  readonly settings: SshSettings
  readonly env: Readonly<Record<string, string | undefined>>
  readonly ask: Ask | null
  readonly signal: AbortSignal
  /** Keys whose passphrase was given, or was wrong too often (null); shared by all hosts. */
  readonly unlocked: Map<string, PrivateKey | null>
  /** Questions of several hosts come one after the other. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>
  /** The connection's clock stands still meanwhile. */
  readonly paused: <T>(work: () => Promise<T>) => Promise<T>
}

/** What became of the login, for the error. */
export type LoginNotes = { readonly offered: string[]; readonly skipped: RollgateError[]; accepts: readonly string[] }

const MAX_KEYS = 5
const PASSPHRASE_TRIES = 3

/** Gives keys to offer; asked again when all of them were refused. @throws RollgateError E_KEY for a key that was named and cannot be used */
export async function* identities(to: Destination, context: LoginContext, notes: LoginNotes): AsyncGenerator<readonly Identity[], void> {
  const { settings } = context
  const named = settings.identity !== undefined
  const variable = named && 'env' in settings.identity ? settings.identity.env : null
  const texts = variable === null ? await keyTexts(to.identityFiles, named) : [keyFromEnvironment(variable, context.env)]
  const inAgent = variable === null ? await agentKeys(to, context, notes) : []
  const wanted = await publicHalves(to.identityFiles, texts)
  const isNamed = (identity: Identity): boolean => wanted.some((blob) => blob.equals(identity.blob))
  const first = [...inAgent.filter(isNamed), ...(to.identitiesOnly ? [] : inAgent.filter((identity) => !isNamed(identity)))]

  const unknown: KeyText[] = []
  const files: Identity[] = []
  for (const text of texts) {
    const found = await fromFile(text, context, notes)
    if (found === 'no public half') unknown.push(text)
    else if (found instanceof RollgateError) {
      // A key that the agent holds too needs no file.
      if (named && first.length === 0) throw found
      notes.skipped.push(found)
    } else if (!first.some((identity) => identity.blob.equals(found.blob))) files.push(found)
  }
  for (const file of to.certificateFiles) notes.skipped.push(unusable({ from: file, text: '' }, 'certificate'))

  let left = MAX_KEYS
  const offered = (list: readonly Identity[]): readonly Identity[] => {
    const now = list.slice(0, left)
    left -= now.length
    notes.offered.push(...now.map((identity) => identity.from))
    return now
  }
  yield offered([...first, ...files])
  for (const text of unknown) {
    if (left <= 0) break
    try {
      yield offered([await unlockedIdentity(text, context)])
    } catch (error) {
      if (!(error instanceof RollgateError) || error.code !== 'E_KEY') throw error
      notes.skipped.push(error)
    }
  }
  if (variable === null) await noteAgentLeftovers(to, notes)
}

async function keyTexts(paths: readonly string[], named: boolean): Promise<readonly KeyText[]> {
  const read = await Promise.all(paths.map((path) => readKeyFile(path, named)))
  return read.flatMap((text) => (text === null || parsePublicKey(text.text) !== null ? [] : [text]))
}

/** IdentityFile may name a public key whose private half is in the agent; its `.pub` says the same of a locked one. */
async function publicHalves(paths: readonly string[], texts: readonly KeyText[]): Promise<readonly Buffer[]> {
  const read = await Promise.all(paths.flatMap((path) => [readKeyFile(`${path}.pub`, false), readKeyFile(path, false)]))
  const halves = read.flatMap((text) => (text === null ? [] : [parsePublicKey(text.text)]))
  const shown = texts.map(({ text }) => inspect(text).blob ?? parseUnlocked(text)?.blob ?? null)
  return [...halves, ...shown].flatMap((blob) => (blob === null ? [] : [blob]))
}

function parseUnlocked(text: string): ReturnType<typeof parsePrivateKey> {
  const plain = readable(text, undefined)
  return plain === null ? null : parsePrivateKey(plain)
}

async function agentKeys(to: Destination, context: LoginContext, notes: LoginNotes): Promise<readonly Identity[]> {
  if (to.agent === null) return []
  const agent = to.agent
  try {
    const held = await agentIdentities(agent)
    // It may want to be touched or confirmed.
    return held.map((identity) => ({ ...identity, sign: (data, hash) => context.paused(() => identity.sign(data, hash)) }))
  } catch (cause) {
    notes.skipped.push(
      new RollgateError('E_KEY', `the SSH agent at ${agent} does not answer`, { cause, hints: ['ssh-add -l   (asks it too)'] }),
    )
    return []
  }
}

async function fromFile(text: KeyText, context: LoginContext, notes: LoginNotes): Promise<Identity | RollgateError | 'no public half'> {
  const { locked, blob } = inspect(text.text)
  const type = blob === null ? '' : keyType(blob)
  if (!locked) {
    const key = parseUnlocked(text.text)
    return key === null ? unusable(text, type) : { from: text.from, blob: key.blob, sign: async (data, hash) => key.sign(data, hash) }
  }
  // Nobody needs to be asked for the passphrase of a key that cannot be used then.
  if (type.startsWith('sk-')) return unusable(text, type)
  if (context.ask === null && !context.unlocked.has(text.from))
    return new RollgateError('E_KEY', `the private key ${text.from} wants a passphrase, and there is no terminal to ask on`, {
      hints: [`ssh-add ${quote(text.from)}   (your agent then answers)`, 'or ssh.identity: { env: NAME } with a key without a passphrase'],
    })
  const half = blob ?? parsePublicKey((await readKeyFile(`${text.from}.pub`, false))?.text ?? '')
  if (half === null) return 'no public half'
  return {
    from: text.from,
    blob: half,
    async sign(data, hash) {
      try {
        return (await unlock(text, context)).sign(data, hash)
      } catch (error) {
        // ssh2 goes on with the next key: what was wrong with this one is told when none is left.
        if (error instanceof RollgateError) notes.skipped.push(error)
        throw error
      }
    },
  }
}

async function unlockedIdentity(text: KeyText, context: LoginContext): Promise<Identity> {
  const key = await unlock(text, context)
  return { from: text.from, blob: key.blob, sign: async (data, hash) => key.sign(data, hash) }
}

/** Asks for the passphrase where it was not given yet. @throws RollgateError E_KEY, E_CANCELLED */
async function unlock(text: KeyText, context: LoginContext): Promise<PrivateKey> {
  const { ask, unlocked } = context
  const wrong = new RollgateError('E_KEY', `the passphrase for ${text.from} was wrong ${PASSPHRASE_TRIES} times`)
  return context.paused(() =>
    context.inTurn(async () => {
      const known = unlocked.get(text.from)
      if (known === null || (known === undefined && ask === null)) throw wrong
      if (known !== undefined) return known
      for (let tried = 0; tried < PASSPHRASE_TRIES; tried += 1) {
        const passphrase = (await ask?.secret(`Passphrase for ${text.from}:`, { signal: context.signal })) ?? ''
        const plain = readable(text.text, passphrase)
        // Converted keys come out without a passphrase.
        const key = plain === null ? null : parsePrivateKey(plain, plain === text.text ? passphrase : undefined)
        if (key === null) continue
        unlocked.set(text.from, key)
        return key
      }
      unlocked.set(text.from, null)
      throw wrong
    }),
  )
}

/** An agent may hold keys that we cannot use, which look as if there were none. */
async function noteAgentLeftovers(to: Destination, notes: LoginNotes): Promise<void> {
  if (to.agent === null) return
  const held = await listAgent(to.agent).catch(() => [])
  for (const { type, comment } of held)
    if (type.startsWith('sk-') || type.includes('-cert-'))
      notes.skipped.push(unusable({ from: `${cleanText(comment, 80)} in the agent`, text: '' }, type))
}
