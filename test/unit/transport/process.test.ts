// Local processes, real ones.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { runLocal, startDuplex } from '../../../src/drivers/process.ts'

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'rollgate-process-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A process that has ended may still be in the list until its parent asks for it. */
function lives(pid: number): boolean {
  try {
    return !execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).startsWith('Z')
  } catch {
    return false
  }
}

test('words are words, and a shell line is a shell’s', async () => {
  expect(await runLocal({ argv: ['printf', '%s', '$(id) "x"'] })).toMatchObject({
    exitCode: 0,
    stdout: '$(id) "x"',
    lost: false,
    timedOut: false,
  })
  expect(await runLocal({ shell: 'echo "$((1 + 1))"; echo err >&2; exit 5' })).toMatchObject({
    exitCode: 5,
    stdout: '2\n',
    stderr: 'err\n',
  })
})

test('a program that is not there cannot be started, which is an error with its name', async () => {
  await expect(runLocal({ argv: ['no-such-program-here'] })).rejects.toMatchObject({
    code: 'E_COMMAND',
    message: expect.stringContaining('no-such-program-here'),
  })
  await expect(runLocal({ argv: ['true'] }, { cwd: '/no/such/folder' })).rejects.toMatchObject({ code: 'E_COMMAND' })
})

test('the environment is the one that was given, and nothing else', async () => {
  const result = await runLocal({ argv: ['/usr/bin/env'] }, { env: { A: '1', B: undefined } })
  expect(result.stdout).toBe('A=1\n')
})

test('a signal is told by its name', async () => {
  expect(await runLocal({ shell: 'kill -9 $$' })).toMatchObject({ exitCode: null, signal: 'SIGKILL' })
})

test('what takes too long is ended with its children, the politer ones first', async () => {
  const file = join(folder(), 'pids')
  const script = `trap 'echo polite; exit 0' TERM; sh -c 'trap "" TERM; while :; do sleep 0.1; done' & echo "$$ $!" >${file}; while :; do sleep 0.1; done`
  const result = await runLocal({ shell: script }, { timeoutMs: 300 })
  expect(result).toMatchObject({ exitCode: null, timedOut: true })
  expect(result.stdout).toContain('polite')
  for (const pid of readFileSync(file, 'utf8').trim().split(' ').map(Number)) expect(lives(pid)).toBe(false)
})

test('an interrupted process is gone when the error comes', async () => {
  const file = join(folder(), 'pid')
  const abort = new AbortController()
  const running = runLocal({ shell: `echo $$ >${file}; echo begun; exec sleep 600` }, { signal: abort.signal, onLine: () => abort.abort() })
  await expect(running).rejects.toMatchObject({ code: 'E_CANCELLED' })
  expect(lives(Number(readFileSync(file, 'utf8')))).toBe(false)
  await expect(runLocal({ argv: ['true'] }, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'E_CANCELLED' })
})

test('a child in the background does not hold us', async () => {
  const result = await runLocal({ shell: 'sleep 600 & echo "$!"' })
  expect(result.exitCode).toBe(0)
  process.kill(Number(result.stdout), 'SIGKILL')
})

test('when we end, what we started ends with us', async () => {
  const file = join(folder(), 'pid')
  const program = join(folder(), 'program.mjs')
  const module = pathToFileURL(join(import.meta.dirname, '../../../src/drivers/process.ts')).href
  writeFileSync(
    program,
    `import { runLocal } from ${JSON.stringify(module)}
     runLocal({ shell: ${JSON.stringify(`echo $$ >${file}; echo begun; exec sleep 600`)} }, { onLine: () => process.exit(3) })`,
  )
  const ended = await runLocal({ argv: [process.execPath, program] })
  expect(ended.exitCode).toBe(3)
  await expect.poll(() => existsSync(file) && lives(Number(readFileSync(file, 'utf8')))).toBe(false)
})

test('thirty processes at once are no trouble, and leave no listener behind', async () => {
  const before = process.listenerCount('exit')
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => void warnings.push(warning)
  process.on('warning', onWarning)
  onTestFinished(() => void process.removeListener('warning', onWarning))
  const results = await Promise.all(Array.from({ length: 30 }, (_, index) => runLocal({ argv: ['echo', String(index)] })))
  expect(results.map((result) => result.stdout)).toEqual(Array.from({ length: 30 }, (_, index) => `${index}\n`))
  await new Promise((done) => setImmediate(done))
  expect(process.listenerCount('exit')).toBe(before)
  expect(warnings).toEqual([])
})

test('stdin, then an input, then the end', async () => {
  async function* input() {
    yield Buffer.from('second ')
    yield Buffer.from('third')
  }
  expect((await runLocal({ argv: ['cat'] }, { stdin: 'first ', input: input() })).stdout).toBe('first second third')
})

test('a process as a byte stream passes everything both ways, and ends by itself', async () => {
  const stream = startDuplex({ argv: ['cat'] })
  stream.end('x'.repeat(3_000_000))
  expect((await text(stream)).length).toBe(3_000_000)
})

test('a byte stream whose process fails breaks with its last words', async () => {
  const stream = startDuplex({ shell: 'echo one; echo "sorry\u001b[31m" >&2; exit 4' })
  await expect(text(stream)).rejects.toMatchObject({ code: 'E_UNREACHABLE', message: 'the proxy command ended with exit code 4: sorry' })
})

test('a byte stream that cannot start, or that nobody wants any more, ends', async () => {
  await expect(text(startDuplex({ argv: ['no-such-program-here'] }))).rejects.toMatchObject({ code: 'E_UNREACHABLE' })
  const stream = startDuplex({ shell: 'echo $$; exec sleep 600' })
  const pid = Number(await new Promise((done) => stream.once('data', done)))
  stream.destroy()
  await expect.poll(() => lives(pid)).toBe(false)
})
