// What every transport promises, asked of each with real processes: words arrive as they are, endings are told as they
// were, nothing is held in memory without limit, nothing hangs.
import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { OutputLine } from '../../../src/domain/command.ts'
import type { Connection } from '../../../src/domain/transport.ts'
import { SECRETS, TARGETS, type Target } from './targets.ts'

const HOSTILE: readonly string[] = [
  'plain',
  'two words',
  '',
  ' leading and trailing ',
  "it's",
  '"double"',
  `'"'"'`,
  '$(touch pwned)',
  '`touch pwned`',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: meant for a shell
  '$HOME ${PATH}',
  '\\',
  '\\n \\0 \\\\ \\x41 \\c \\0101',
  'two\nlines',
  '\n',
  'ends with a newline\n',
  'carriage\rreturn',
  '\ttab',
  '-n',
  '--',
  '-rf /',
  '!history !!',
  '* ? [a-z] {a,b} ~',
  '; | & > < #',
  'ünïcödé 漢字 🚀',
  '\u202ereversed',
  '\x1b[31mred',
  '%s %b %n',
  'A=B',
  'x'.repeat(300),
  `'${'\\'.repeat(50)}"`,
]

for (const kind of TARGETS) {
  describe.skipIf(kind.missing !== null)(`${kind.name}${kind.missing === null ? '' : ` (skipped: ${kind.missing})`}`, () => {
    let target: Target
    let connection: Connection
    beforeAll(async () => {
      target = await kind.start()
      connection = await target.transport.connect(target.host, new AbortController().signal)
    })
    afterAll(async () => {
      await connection?.close()
      await target?.stop()
    })

    const sh = (script: string, ...words: string[]): readonly [string, ...string[]] => ['sh', '-c', script, 'sh', ...words]

    test('says what it reached', () => {
      expect(connection.destination).toBe(target.destination)
      expect(connection.host).toBe(target.host)
      expect(connection.alive).toBe(true)
    })

    test('output, errors and exit code come back apart', async () => {
      const result = await connection.run({ argv: sh('echo out; echo err >&2; exit 7') })
      expect(result).toMatchObject({ exitCode: 7, stdout: 'out\n', stderr: 'err\n', lost: false, timedOut: false, truncated: false })
      expect(result.signal).toBeUndefined()
    })

    test('a client that is busy elsewhere misses the exit of no command', async () => {
      // While the loop stands still, all that a quick command says arrives at once: confirmation, output, exit, close.
      const standing = setInterval(() => {
        for (const until = performance.now() + 60; performance.now() < until; );
      }, 10)
      try {
        const results = await Promise.all(Array.from({ length: 24 }, () => connection.run({ argv: sh('echo out; exit 3') })))
        expect(results.map(({ exitCode, stdout, lost }) => ({ exitCode, stdout, lost }))).toEqual(
          results.map(() => ({ exitCode: 3, stdout: 'out\n', lost: false })),
        )
      } finally {
        clearInterval(standing)
      }
    })

    test('a program that does not exist is exit code 127, not an error', async () => {
      expect((await connection.run({ argv: ['no-such-program-here'] })).exitCode).toBe(127)
    })

    test('a command that a signal ended has no exit code, or the one that its shell gave it', async () => {
      const result = await connection.run({ argv: sh('kill -KILL $$') })
      expect(result.exitCode === null ? result.signal : result.exitCode).toBe(result.exitCode === null ? 'SIGKILL' : 137)
      expect(result.lost).toBe(false)
    })

    test.each(HOSTILE.map((word) => [word.length > 60 ? `${word.slice(0, 20)}… (${word.length} characters)` : JSON.stringify(word), word]))(
      'the word %s arrives exactly',
      async (_name, word) => {
        const result = await connection.run({ argv: ['printf', '%s', word] })
        expect(result.stdout).toBe(word)
        expect(result.exitCode).toBe(0)
      },
    )

    test('all hostile words arrive together, in order', async () => {
      const result = await connection.run({ argv: sh('for word in "$@"; do printf "%s\\0" "$word"; done', ...HOSTILE) })
      expect(result.stdout.split('\0').slice(0, -1)).toEqual(HOSTILE)
    })

    test('hostile text arrives exactly as folder, environment and standard input', async () => {
      for (const word of HOSTILE) {
        const result = await connection.run({
          argv: sh('printf "%s|" "$VALUE"; cat'),
          env: { VALUE: word },
          stdin: word,
        })
        expect(result.stdout).toBe(`${word}|${word}`)
      }
      const folder = `/tmp/rollgate ${randomBytes(4).toString('hex')} $(id) 'q' "d" \n-x`
      await connection.run({ argv: ['mkdir', '--', folder] })
      const where = await connection.run({ argv: ['pwd'], cwd: folder })
      await connection.run({ argv: ['rmdir', '--', folder] })
      expect(where.stdout.endsWith(`${folder}\n`)).toBe(true)
    })

    test('a word with a NUL byte is refused here, before anything runs', async () => {
      await expect(connection.run({ argv: ['echo', 'a\0b'] })).rejects.toThrow(/NUL/)
    })

    test('a command longer than one argument may be still runs', async () => {
      const split = Array.from({ length: 30 }, () => 'y'.repeat(10_000))
      const many = await connection.run({ argv: sh('printf "%s" "$*" | wc -c | tr -d " "', ...split) })
      expect(many.stdout).toBe(`${30 * 10_000 + 29}\n`)
    })

    test('standard input is empty when nothing is given', async () => {
      expect((await connection.run({ argv: ['cat'] })).stdout).toBe('')
    })

    test('a secret reaches the command, and no argument list of any process shows it', async () => {
      const value = SECRETS.token ?? ''
      const [distinct = ''] = value.split(' ')
      const result = await connection.run({
        argv: sh(
          'printf "%s" "$TOKEN"; echo; echo --; for list in /proc/[0-9]*/cmdline; do tr "\\0" " " <"$list" 2>/dev/null; echo; done; ps -A -o args',
        ),
        env: { TOKEN: { secret: 'token' }, OPEN: 'x' },
        stdin: 'ignored',
      })
      const [seen, lists = ''] = result.stdout.split('\n--\n')
      expect(seen).toBe(value)
      expect(lists.length).toBeGreaterThan(100)
      expect(lists).not.toContain(distinct)
    })

    test('a secret and an input go together: the command reads only its own', async () => {
      async function* input() {
        yield Buffer.from('first ')
        yield Buffer.from('second')
      }
      const result = await connection.run(
        { argv: sh('printf "%s|" "$TOKEN"; cat'), env: { TOKEN: { secret: 'token' } } },
        { input: input() },
      )
      expect(result.stdout).toBe(`${SECRETS.token}|first second`)
    })

    test('a secret among the words of a command is refused', async () => {
      await expect(connection.run({ argv: ['echo', { secret: 'token' }] })).rejects.toMatchObject({ code: 'E_SECRET' })
    })

    test('10 MB come out unchanged, with only the beginning kept', async () => {
      const lines: number[] = []
      const hash = createHash('sha256')
      const result = await connection.run(
        { argv: sh('i=0; while [ $i -lt 10 ]; do head -c 1048576 /dev/zero | tr "\\0" "abcdefgh" | fold -w 99; echo; i=$((i + 1)); done') },
        {
          maxOutputBytes: 1000,
          onLine: (line) => {
            lines.push(line.text.length)
            hash.update(`${line.text}\n`)
          },
        },
      )
      const block = `${'a'.repeat(99)}\n`.repeat(Math.floor(1048576 / 99)) + 'a'.repeat(1048576 % 99)
      const wanted = createHash('sha256')
      for (let i = 0; i < 10; i += 1) wanted.update(`${block}\n`)
      expect(hash.digest('hex')).toBe(wanted.digest('hex'))
      expect(result).toMatchObject({ exitCode: 0, truncated: true })
      expect(result.stdout).toBe(block.slice(0, 1000))
    })

    test('10 MB of errors and 10 MB of output at once do not block each other', async () => {
      const seen = { stdout: 0, stderr: 0 }
      const result = await connection.run(
        {
          argv: sh(
            'head -c 10485760 /dev/zero | tr "\\0" e | fold -w 1023 >&2 & head -c 10485760 /dev/zero | tr "\\0" o | fold -w 1023; wait',
          ),
        },
        {
          onLine: (line) => {
            seen[line.stream] += line.text.length
          },
        },
      )
      expect(result.exitCode).toBe(0)
      expect(seen).toEqual({ stdout: 10485760, stderr: 10485760 })
    })

    test('10 MB go in and their sum comes out', async () => {
      const bytes = randomBytes(10 * 1024 * 1024)
      async function* input() {
        for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000)
      }
      const result = await connection.run(
        { argv: sh('if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi') },
        { input: input() },
      )
      expect(result.stdout.split(' ')[0]).toBe(createHash('sha256').update(bytes).digest('hex'))
    })

    test('lines come as they are printed, streams apart, without their ends, characters whole', async () => {
      const lines: OutputLine[] = []
      await connection.run(
        {
          argv: sh(
            'printf "eins\\r\\nzw"; printf "ei\\n"; printf "\\303"; sleep 0.05; printf "\\274ber\\n"; printf "last"; printf "bad\\n" >&2',
          ),
        },
        { onLine: (line) => void lines.push(line) },
      )
      expect(lines.filter((line) => line.stream === 'stdout').map((line) => line.text)).toEqual(['eins', 'zwei', 'über', 'last'])
      expect(lines.filter((line) => line.stream === 'stderr').map((line) => line.text)).toEqual(['bad'])
    })

    test('a line comes while the command still runs', async () => {
      const go = `/tmp/rollgate-go-${randomBytes(6).toString('hex')}`
      const first = Promise.withResolvers<void>()
      const running = connection.run(
        { argv: sh('echo ready; while [ ! -e "$1" ]; do sleep 0.02; done; echo went', go) },
        { onLine: () => first.resolve() },
      )
      await first.promise
      // Only now may it end.
      await connection.run({ argv: ['touch', go] })
      expect((await running).stdout).toBe('ready\nwent\n')
      await connection.run({ argv: ['rm', go] })
    })

    test('a reader that takes its time loses nothing after the command has exited', async () => {
      let count = 0
      const result = await connection.run(
        { argv: sh('i=0; while [ $i -lt 40 ]; do echo "line $i"; i=$((i + 1)); done') },
        {
          onLine: async () => {
            count += 1
            await new Promise((done) => setTimeout(done, 20))
          },
        },
      )
      expect(count).toBe(40)
      expect(result.exitCode).toBe(0)
    })

    test('what a reader of lines throws ends the command and is thrown', async () => {
      const failing = connection.run(
        { argv: sh('echo one; sleep 600') },
        {
          onLine: () => {
            throw new Error('reader broke')
          },
        },
      )
      await expect(failing).rejects.toThrow('reader broke')
    })

    test('an input that fails is an error, and the command never sees it as a whole one', async () => {
      async function* input() {
        yield Buffer.from('half')
        throw new Error('disk broke')
      }
      const file = `/tmp/rollgate-half-${randomBytes(6).toString('hex')}`
      await expect(connection.run({ argv: sh('cat >/dev/null && : >"$1"', file) }, { input: input() })).rejects.toThrow('disk broke')
      if (kind.noSignals === null) expect((await connection.run({ argv: ['test', '-e', file] })).exitCode).toBe(1)
      await connection.run({ argv: ['rm', '-f', file] })
    })

    test('a command that does not read its input is not waited for', async () => {
      async function* endless() {
        for (;;) yield Buffer.alloc(64 * 1024)
      }
      const result = await connection.run({ argv: sh('echo no thanks') }, { input: endless() })
      expect(result).toMatchObject({ exitCode: 0, stdout: 'no thanks\n' })
    })

    test('a child in the background that holds the output does not hold us, and lives on', async () => {
      const file = `/tmp/rollgate-child-${randomBytes(6).toString('hex')}`
      const result = await connection.run({ argv: sh('(sleep 600) & echo "$!" >"$1"; echo started', file) })
      expect(result).toMatchObject({ exitCode: 0, stdout: 'started\n', lost: false })
      const alive = await connection.run({ argv: sh('kill -0 "$(cat "$1")" && echo alive; kill -9 "$(cat "$1")"; rm -f "$1"', file) })
      expect(alive.stdout).toBe('alive\n')
    })

    test('a command that takes too long is told as such, with what it said', async () => {
      const result = await connection.run({ argv: sh('echo begun; exec sleep 600'), timeoutMs: 300 })
      expect(result).toMatchObject({ exitCode: null, timedOut: true, lost: false, stdout: 'begun\n' })
    })

    test.skipIf(kind.noSignals !== null)(
      `a command that takes too long is ended with all its children${kind.noSignals === null ? '' : ` (skipped: ${kind.noSignals})`}`,
      async () => {
        const file = `/tmp/rollgate-pids-${randomBytes(6).toString('hex')}`
        const result = await connection.run({
          argv: sh(
            'trap "" TERM; sh -c "trap \\"\\" TERM; while :; do sleep 0.1; done" & echo "$$ $!" >"$1"; wait; while :; do sleep 0.1; done',
            file,
          ),
          timeoutMs: 200,
        })
        expect(result).toMatchObject({ timedOut: true, exitCode: null })
        // One that was killed stays in the list until its new parent asks for it.
        const check = sh('read a b <"$1"; ps -o stat= -p "$a,$b" | grep -qv "^Z" && echo alive || echo gone', file)
        let said = ''
        for (let tried = 0; tried < 100 && said !== 'gone\n'; tried += 1) said = (await connection.run({ argv: check })).stdout
        await connection.run({ argv: ['rm', '-f', file] })
        expect(said).toBe('gone\n')
      },
    )

    test('an interrupted command is an error of its own, at once', async () => {
      const abort = new AbortController()
      const running = connection.run({ argv: sh('echo begun; exec sleep 600') }, { signal: abort.signal, onLine: () => abort.abort() })
      await expect(running).rejects.toMatchObject({ code: 'E_CANCELLED', exitCode: 130 })
    })

    test('a reader that is stuck does not hold an interrupted command', async () => {
      const abort = new AbortController()
      const running = connection.run(
        { argv: sh('yes') },
        {
          signal: abort.signal,
          onLine: () => {
            setImmediate(() => abort.abort())
            return new Promise(() => undefined)
          },
        },
      )
      await expect(running).rejects.toMatchObject({ code: 'E_CANCELLED' })
    })

    test('nothing is started once the signal has fired', async () => {
      const file = `/tmp/rollgate-never-${randomBytes(6).toString('hex')}`
      await expect(connection.run({ argv: ['touch', file] }, { signal: AbortSignal.abort() })).rejects.toMatchObject({
        code: 'E_CANCELLED',
      })
      expect((await connection.run({ argv: ['test', '-e', file] })).exitCode).toBe(1)
    })

    test('forty commands at once all get their own answer', async () => {
      const results = await Promise.all(Array.from({ length: 40 }, (_, index) => connection.run({ argv: ['echo', String(index)] })))
      expect(results.map((result) => result.stdout)).toEqual(Array.from({ length: 40 }, (_, index) => `${index}\n`))
    })

    test('a waiting command can be interrupted before its turn', async () => {
      const stop = new AbortController()
      const sleepers = Array.from({ length: 4 }, () => connection.run({ argv: ['sleep', '600'] }, { signal: stop.signal }))
      const waiting = new AbortController()
      const late = connection.run({ argv: ['sleep', '600'] }, { signal: waiting.signal })
      waiting.abort()
      await expect(late).rejects.toMatchObject({ code: 'E_CANCELLED' })
      stop.abort()
      for (const sleeper of sleepers) await expect(sleeper).rejects.toMatchObject({ code: 'E_CANCELLED' })
    })

    test('bytes flow to a port of the host and back, and each way ends by itself', async () => {
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        void text(socket).then((said) => socket.end(`heard ${said.length}`))
      })
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
      const address = server.address()
      const stream = await connection.forward({
        host: '127.0.0.1',
        port: typeof address === 'object' && address !== null ? address.port : 0,
      })
      stream.end('x'.repeat(3_000_000))
      expect(await text(stream)).toBe('heard 3000000')
      server.close()
    })

    test('a port where nobody listens is an error that names it', async () => {
      const server = createServer()
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      await new Promise((done) => server.close(done))
      await expect(connection.forward({ host: '127.0.0.1', port })).rejects.toMatchObject({
        code: 'E_CONNECT_REFUSED',
        message: expect.stringContaining(`127.0.0.1:${port}`),
      })
    })

    test('a socket that does not exist is an error that names it', async () => {
      await expect(connection.forward({ socket: '/tmp/rollgate no such socket' })).rejects.toMatchObject({
        code: 'E_CONNECT_REFUSED',
        message: expect.stringContaining('/tmp/rollgate no such socket'),
      })
    })

    test('a forward that nobody wants any more closes the other end', async () => {
      const gone = Promise.withResolvers<void>()
      const server = createServer((socket) => socket.on('error', () => undefined).on('close', () => gone.resolve()))
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
      const address = server.address()
      const stream = await connection.forward({
        host: '127.0.0.1',
        port: typeof address === 'object' && address !== null ? address.port : 0,
      })
      const closed = new Promise((done) => stream.once('close', done))
      stream.destroy()
      await closed
      await gone.promise
      server.close()
    })

    test('after it was closed it is not alive, says so once, and runs nothing', async () => {
      const other = await target.transport.connect(target.host, new AbortController().signal)
      const reasons: (Error | null)[] = []
      other.onClose((reason) => void reasons.push(reason))
      await other.close()
      await other.close()
      expect(other.alive).toBe(false)
      await expect(other.run({ argv: ['true'] })).rejects.toMatchObject({ code: 'E_LOST' })
      await expect(other.forward({ host: '127.0.0.1', port: 1 })).rejects.toMatchObject({ code: 'E_LOST' })
      await expect.poll(() => reasons).toEqual([null])
      expect((await connection.run({ argv: ['echo', 'still'] })).stdout).toBe('still\n')
    })
  })
}
