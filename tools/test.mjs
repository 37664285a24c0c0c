// What `npm test` runs: sets the checkout up, installs the packages that the suites need, runs what measures times, then the
// fast suites (unit, contract, integration, crash and whatever else lies in test/) beside the end-to-end suite on two labs of real
// hosts, and closes with one plain line, `N passed, N failed, N skipped`. Nothing is skipped silently: what was, is named.
//
//   npm test                        everything
//   npm test -- unit crash          these suites (the folders of test/)
//   npm test -- e2e                 end to end; `e2e/zero-loss` is a part of it
//   npm test -- unit/config -t key  a path, and words for vitest
//
// LAB_NAME uses another lab beside this one, ROLLGATE_KEEP_LAB=1 leaves it up (and uses it again),
// ROLLGATE_FULL=1 runs the long forms. Runs on any Node; the tests run on the checkout's own.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensurePackages } from './packages.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const bin = join(root, 'node_modules', '.bin')
const say = (line) => process.stderr.write(`${line}\n`)

/** The first word that vitest understands (`-t`) and all after it are vitest's. */
function selection(words) {
  const first = words.findIndex((word) => word.startsWith('-'))
  const names = first === -1 ? words : words.slice(0, first)
  const isLab = (name) => name === 'e2e' || name.startsWith('e2e/')
  return {
    options: first === -1 ? [] : words.slice(first),
    fast: names.length === 0 || names.some((name) => !isLab(name)),
    lab: names.length === 0 || names.some(isLab),
    // `unit` also holds the files that lie in no folder.
    paths: names
      .filter((name) => !isLab(name))
      .flatMap((name) =>
        name === 'unit' ? ['test/unit/', 'test/architecture.test.ts'] : [existsSync(join(root, 'test', name)) ? `test/${name}/` : name],
      ),
    labPaths: names.filter((name) => name.startsWith('e2e/')).map((name) => `test/${name}`),
  }
}

const MEASURING = [
  'test/integration/load/accuracy.test.ts',
  'test/integration/load/faults.test.ts',
  'test/integration/cli/load.test.ts',
  'test/integration/gates/real.test.ts',
]

const running = new Set()
let interrupted = null

/** Runs a program in the checkout to its end; its exit code, or 128 + the signal that ended it. */
function run(words, environment = {}) {
  return new Promise((done) => {
    const [program, ...rest] = words
    const child = spawn(program, rest, {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: {
        ...process.env,
        ...(process.stdout.isTTY ? {} : { NO_COLOR: '1' }),
        PATH: `${bin}${delimiter}${process.env.PATH}`,
        ...environment,
      },
    })
    running.add(child)
    const end = (code) => {
      running.delete(child)
      done(code)
    }
    child.on('error', (error) => {
      say(`test: ${program}: ${error.message}`)
      end(127)
    })
    child.on('exit', (code, signal) => end(code ?? 128 + (constants.signals[signal] ?? 0)))
  })
}

/** One vitest run, counted. `before` is what it runs under: nothing, or `lab run`. */
async function vitest(label, { config, words, before = [], environment = {} }) {
  const folder = mkdtempSync(join(tmpdir(), 'rollgate-test-'))
  const file = join(folder, 'tally.json')
  const started = Date.now()
  // The name is read by vitest.config.ts: a reporter with options cannot be given on the command line.
  const code = await run(
    [...before, join(bin, 'node'), join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', '--config', config, ...words],
    {
      ...environment,
      ROLLGATE_TALLY: file,
    },
  )
  const seen = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { files: [], unhandled: 0 }
  rmSync(folder, { recursive: true, force: true })
  const failed = seen.files.reduce((sum, each) => sum + each.failed, 0) + seen.unhandled
  // A run that failed without a failed test (nothing found, a crash of the runner) is a failure too.
  return {
    label,
    seconds: (Date.now() - started) / 1000,
    files: seen.files,
    extraFailed: seen.unhandled + (code !== 0 && failed === 0 ? 1 : 0),
  }
}

// ------------------------------------------------------------------------------------------------------- the lab

const lab = join(root, 'test', 'lab', 'lab')
// Labs of this checkout's own, so that two of them can test at once.
const labName = process.env.LAB_NAME ?? `rollgate-${createHash('sha256').update(root).digest('hex').slice(0, 8)}`
const labNode = join(bin, 'node')
const keep = process.env.ROLLGATE_KEEP_LAB === '1'

/** Why there can be no lab here; null when there can. */
function labRefusal() {
  if (process.platform !== 'linux') return 'the lab needs Linux'
  if (process.getuid() !== 0) return 'the lab needs root'
  if (!/^\S+ \S+ cgroup2 /m.test(readFileSync('/proc/mounts', 'utf8'))) return 'no cgroup v2 file system is mounted'
  const unshare = spawnSync('unshare', ['--mount', '--net', '--pid', '--fork', '--uts', '--ipc', '--cgroup', 'true'], { encoding: 'utf8' })
  if (unshare.status !== 0) return `namespaces cannot be made: ${(unshare.stderr ?? unshare.error?.message ?? '').trim()}`
  return null
}

/** About how many seconds they take; what is not here has a second for each 100 bytes. */
const LONG = {
  'part3-hosts': 360,
  'part3-balancer': 220,
  'part3-operator': 200,
  commands: 195,
  services: 190,
  'exit-codes': 180,
  stage: 165,
  'part3-lock': 150,
  'part2-gates': 145,
  part1: 105,
  'bad-releases': 95,
}

/** The test files that are meant, the longest first, so that no lab is left alone with one at the end. */
function labFiles(paths) {
  const size = (path) => LONG[/([^/]+)\.test\.ts$/.exec(path)?.[1] ?? ''] ?? statSync(join(root, path)).size / 100
  return readdirSync(join(root, 'test', 'e2e'), { recursive: true })
    .map((path) => `test/e2e/${path}`)
    .filter((path) => path.endsWith('.test.ts') && (paths.length === 0 || paths.some((part) => path.startsWith(part))))
    .sort((a, b) => size(b) - size(a))
}

/**
 * The files on two labs at once, and on a third when nothing else runs any more: a rollout mostly waits, so one lab leaves
 * the machine idle. Each lab takes the next file when it is done with one; long forms measure, and have the machine to themselves.
 */
async function endToEnd(paths, options, othersDone) {
  const config = 'vitest.e2e.config.ts'
  const refusal = labRefusal()
  if (refusal !== null) {
    say(`test: SKIPPED end to end: ${refusal}`)
    return [await vitest('e2e', { config, words: [...paths, ...options] })]
  }
  const files = labFiles(paths)
  const wanted = Number(process.env.ROLLGATE_LABS ?? (process.env.ROLLGATE_FULL === '1' ? 1 : 2))
  const count = Math.max(1, Math.min(wanted, files.length))
  const runs = []
  // One after the other builds the image once.
  const built = await run([lab, 'build'], { LAB_NAME: labName, LAB_NODE: labNode })
  if (built !== 0) return [{ label: 'the lab', seconds: 0, files: [], extraFailed: 1 }]
  const work = async (name, isExtra) => {
    const environment = { LAB_NAME: name, LAB_NODE: labNode, ROLLGATE_LAB: name }
    const up = await run([lab, 'up', '4', '--lb', 'haproxy', ...(keep ? [] : ['--fresh'])], environment)
    // The others take its files.
    if (up !== 0 && isExtra) return say(`test: lab ${name} could not be made; the others go on without it`)
    if (up !== 0) return void runs.push({ label: `lab ${name}`, seconds: 0, files: [], extraFailed: 1 })
    try {
      for (let file = files.shift(); file !== undefined && interrupted === null; file = files.shift())
        runs.push(await vitest(file.slice('test/'.length), { config, words: [file, ...options], before: [lab, 'run'], environment }))
    } finally {
      if (!keep) await run([lab, 'down'], environment)
    }
  }
  const named = (index) => (index === 0 ? labName : `${labName}-${index + 1}`)
  const late = async () => {
    await othersDone
    if (count > 1 && files.length > 0 && interrupted === null) await work(named(count), true)
  }
  await Promise.all([...Array.from({ length: count }, (_, index) => work(named(index), false)), late()])
  return runs
}

// ------------------------------------------------------------------------------------------------------ the whole

function summary(runs) {
  const suites = new Map()
  for (const { files } of runs) {
    for (const file of files) {
      const name = /^test\/([^/]+)\//.exec(file.path)?.[1] ?? 'unit'
      const suite = suites.get(name) ?? { passed: 0, failed: 0, skipped: 0, ms: 0 }
      suites.set(name, {
        passed: suite.passed + file.passed,
        failed: suite.failed + file.failed,
        skipped: suite.skipped + file.skipped.length,
        ms: suite.ms + file.ms,
      })
    }
  }
  const skipped = new Map()
  for (const name of runs.flatMap((each) => each.files.flatMap((file) => file.skipped.map((test) => `${file.path}: ${test}`)))) {
    skipped.set(name, (skipped.get(name) ?? 0) + 1)
  }
  console.log('')
  for (const [name, tests] of skipped) console.log(`SKIPPED ${name}${tests === 1 ? '' : ` (${tests} tests)`}`)
  for (const [name, suite] of suites) {
    console.log(
      `${name.padEnd(12)} ${suite.passed} passed, ${suite.failed} failed, ${suite.skipped} skipped; ${(suite.ms / 1000).toFixed(1)} s of tests`,
    )
  }
  for (const each of runs) console.log(`${each.label.padEnd(12)} took ${each.seconds.toFixed(0)} s`)
  const sum = (field) => [...suites.values()].reduce((total, suite) => total + suite[field], 0)
  return {
    passed: sum('passed'),
    failed: sum('failed') + runs.reduce((total, each) => total + each.extraFailed, 0),
    skipped: sum('skipped'),
  }
}

// The lab must come down whoever ends us: children get the signal from the terminal or from here, and we go on to the end.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    interrupted = signal
    for (const child of running) child.kill(signal)
  })
}

const chosen = selection(process.argv.slice(2))
const setup = await run([process.execPath, join(root, 'tools', 'setup.mjs')])
if (setup !== 0) process.exit(setup)
ensurePackages(say)
// What is tested is what is shipped, which also starts in half the time.
const shipped = mkdtempSync(join(tmpdir(), 'rollgate-shipped-'))
process.on('exit', () => rmSync(shipped, { recursive: true, force: true }))
const packed = await run([join(bin, 'node'), join(root, 'tools', 'pack.mjs'), shipped])
if (packed !== 0) process.exit(packed)
process.env.ROLLGATE_TEST_BIN = join(shipped, 'bin', 'run.js')
// What measures times goes first, alone: beside all the others it could only say that this machine is busy.
const everything = chosen.fast && chosen.paths.length === 0 && chosen.options.length === 0
const config = 'vitest.config.ts'
const measured = everything ? await vitest('what measures', { config, words: [...MEASURING, '--maxWorkers', '1'] }) : null
// At the same time: the fast suites want processors, rollouts on the labs mostly wait. Long forms measure, and wait for their turn.
const rest = everything ? MEASURING.flatMap((path) => ['--exclude', path]) : [...chosen.paths, ...chosen.options]
const fast = () => (chosen.fast && interrupted === null ? vitest('fast suites', { config, words: rest }) : null)
const slow = (othersDone) => (chosen.lab && interrupted === null ? endToEnd(chosen.labPaths, chosen.options, othersDone) : [])
const inTurn = async () => [await fast(), await slow()]
const atOnce = () => {
  const others = fast()
  return Promise.all([others, slow(others)])
}
const together = await (process.env.ROLLGATE_FULL === '1' ? inTurn() : atOnce())
const runs = [measured, ...together.flat()].filter((run) => run !== null)
const { passed, failed, skipped } = summary(runs)
console.log(`${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`)
if (interrupted !== null) process.exitCode = 128 + constants.signals[interrupted]
else process.exitCode = failed > 0 || passed === 0 ? 1 : 0
