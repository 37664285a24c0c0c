// What an SSH agent holds, kinds of keys included that cannot be used here: so that an error can say so. One question,
// one answer (draft-miller-ssh-agent, 4.4).
import { connect } from 'node:net'
import { keyType } from './known-hosts.ts'

const REQUEST_IDENTITIES = Buffer.from([0, 0, 0, 1, 11])
const IDENTITIES_ANSWER = 12
const LIMIT_MS = 2_000
/** OpenSSH's own limit of an answer. */
const MAX_BYTES = 256 * 1024

export async function listAgent(path: string): Promise<readonly { readonly type: string; readonly comment: string }[]> {
  const socket = connect({ path })
  socket.setTimeout(LIMIT_MS, () => socket.destroy(new Error('the agent does not answer')))
  socket.write(REQUEST_IDENTITIES)
  let all = Buffer.alloc(0)
  try {
    for await (const chunk of socket) {
      all = Buffer.concat([all, chunk])
      if (all.length > MAX_BYTES) return []
      if (all.length >= 4 && all.length >= 4 + all.readUInt32BE(0)) break
    }
  } finally {
    socket.destroy()
  }
  return parse(all)
}

function parse(answer: Buffer): readonly { readonly type: string; readonly comment: string }[] {
  if (answer.length < 9 || answer[4] !== IDENTITIES_ANSWER) return []
  const found: { type: string; comment: string }[] = []
  let at = 9
  const field = (): Buffer | null => {
    if (at + 4 > answer.length) return null
    const length = answer.readUInt32BE(at)
    const value = answer.subarray(at + 4, at + 4 + length)
    at += 4 + length
    return value.length === length ? value : null
  }
  for (;;) {
    const key = field()
    const comment = field()
    if (key === null || comment === null) return found
    found.push({ type: keyType(key), comment: comment.toString('utf8') })
  }
}
