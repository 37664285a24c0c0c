// A load generator on a host, over its SSH connection. Nothing is installed and no file is written there: a few lines of
// Node, given as words, read the generator from standard input and run it; then the same input carries what is said to
// it. So nothing is left behind, whatever happens to whom. What is needed is a Node there, and it is looked for.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RollgateError } from '../domain/error.ts'
import { builtFile, inPackage } from '../domain/shipped.ts'
import type { Connection } from '../domain/transport.ts'
import { type FromGenerator, type Generator, pack, type ToGenerator, unpacker } from '../load/remote.ts'
import { cleanText } from '../util/text.ts'
import { runLocal } from './process.ts'

/** The oldest that runs our drivers. */
const LEAST_NODE = 22
const LOOK_TIMEOUT_MS = 20_000
/** Ours, so that it is never mistaken for the generator's own. */
const NO_NODE = 96

/**
 * Where a Node may be that no login shell of a plain user knows: version managers write into files that only interactive
 * shells read. The newest that is new enough wins, unless the host's label `node` names one.
 */
const FIND_NODE = `best= most=0
for node in "$1" "$(command -v node 2>/dev/null)" /usr/local/bin/node /usr/bin/node /opt/node*/bin/node "$HOME"/.nvm/versions/node/*/bin/node "$HOME"/.local/share/fnm/node-versions/*/installation/bin/node "$HOME"/.volta/bin/node; do
  [ -x "$node" ] || continue
  major=$("$node" -p 'process.versions.node.split(".")[0]' 2>/dev/null </dev/null) || continue
  case $major in ''|*[!0-9]*) continue;; esac
  [ "$major" -gt "$most" ] && most=$major best=$node
  [ "$node" != "$1" ] || [ "$most" -lt ${LEAST_NODE} ] || break
done
[ "$most" -ge ${LEAST_NODE} ] || { echo "$most"; exit ${NO_NODE}; }
printf '%s\\n' "$best"`

/**
 * Reads the length, then so many bytes of program, and leaves the rest of the input to it. Kept short: it is a word of a
 * command, for every user of the host to read. Exit 97: the input ended before the program was whole.
 */
const LOADER = `let a=Buffer.alloc(0);const i=process.stdin,g=()=>process.exit(97),f=d=>{a=Buffer.concat([a,d]);const e=a.indexOf(10),n=e+1+Number(a.subarray(0,e));if(e<0||a.length<n)return;i.off("data",f).off("end",g).pause();if(a.length>n)i.unshift(a.subarray(n));const m={exports:{}};new Function("require","module","exports",a.toString("utf8",e+1,n))(require,m,m.exports);m.exports.run(process)};i.on("data",f).on("end",g)`

/** @throws RollgateError E_LOAD where there is no Node, E_LOST, E_CANCELLED */
export async function openGenerator(connection: Connection, program: string, signal: AbortSignal): Promise<Generator> {
  const { name } = connection.host
  const node = await findNode(connection, signal)
  const queue: Uint8Array[] = [Buffer.from(`${Buffer.byteLength(program)}\n${program}`)]
  let wake = () => {}
  let closed = false
  async function* input(): AsyncGenerator<Uint8Array> {
    for (;;) {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) yield next
      if (closed) return
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  const kept: FromGenerator[] = []
  let listener: ((message: FromGenerator) => void) | null = null
  let said = ''
  const unpack = unpacker<FromGenerator>(
    (message) => (listener === null ? void kept.push(message) : listener(message)),
    (line) => {
      said = line
    },
  )
  const gone = connection
    .run(
      // Exactly this program, and no sh that outlives it or swallows its input.
      { argv: [node, '-e', LOADER] },
      {
        input: input(),
        maxOutputBytes: 4096,
        onLine: (line) => {
          if (line.stream === 'stdout') unpack(line.text)
          else if (line.text.trim() !== '') said = line.text
        },
      },
    )
    .then(
      ({ exitCode, signal: by, lost }) => {
        if (lost) return 'the connection was lost'
        const how = exitCode === null ? `ended by ${by ?? 'a signal'}` : `ended with exit code ${exitCode}`
        return `${how}${said === '' ? '' : `: ${cleanText(said, 200)}`}`
      },
      (error: unknown) => cleanText(error instanceof Error ? error.message : String(error), 200),
    )
    .finally(() => {
      closed = true
      wake()
    })
  return {
    name,
    gone,
    listen(onMessage) {
      listener = onMessage
      for (const message of kept.splice(0)) onMessage(message)
    },
    send(message: ToGenerator) {
      if (closed) return
      queue.push(Buffer.from(pack(message)))
      wake()
    },
    async close() {
      closed = true
      wake()
      // It ends with its input; a host that is gone is not waited for.
      await Promise.race([gone, new Promise((done) => setTimeout(done, 2_000).unref())])
    },
  }
}

async function findNode(connection: Connection, signal: AbortSignal): Promise<string> {
  const { name } = connection.host
  const found = await connection.run(
    { argv: ['sh', '-c', FIND_NODE, 'sh', connection.host.labels.node ?? ''], timeoutMs: LOOK_TIMEOUT_MS },
    { signal },
  )
  const [path = ''] = found.stdout.trim().split('\n')
  if (found.exitCode === 0 && path.startsWith('/')) return path
  if (found.lost) throw new RollgateError('E_LOST', `the connection to ${name} was lost`, { host: name })
  const seen = found.exitCode === NO_NODE && path !== '0' ? `only Node ${cleanText(path, 20)}` : 'no Node'
  throw new RollgateError('E_LOAD', `there is ${seen} on ${name}: a generator needs Node ${LEAST_NODE} or newer`, {
    host: name,
    hints: [`install Node ${LEAST_NODE} there, say where it is (hosts.${name}.labels: { node: /PATH/TO/node }), or send from another host`],
    now: 'no load was sent',
  })
}

/** The generator as one text. In the package it was built with it; in a checkout it is built now, from the sources as they are. */
export async function generatorProgram(signal: AbortSignal): Promise<string> {
  const built = builtFile('generator.cjs')
  if (built !== null) return readFile(built, 'utf8')
  const folder = await mkdtemp(join(tmpdir(), 'rollgate-generator-'))
  try {
    const file = join(folder, 'generator.cjs')
    const tool = fileURLToPath(inPackage('tools/build-generator.mjs'))
    const { exitCode, stderr } = await runLocal({ argv: [process.execPath, tool, '--out', file] }, { signal, timeoutMs: 60_000 })
    if (exitCode !== 0) throw new RollgateError('E_BUG', `the generator could not be built: ${cleanText(stderr, 500)}`)
    return await readFile(file, 'utf8')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
