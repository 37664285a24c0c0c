// The page of trials: docs/trials.md from test/results/part3.json. Numbers come from the file and from nowhere else; what
// a case is about is said here once. The suite writes the page after a full run, write-trials.ts writes it again by hand.

export type TrialRun = {
  readonly run: number
  readonly requests: number
  readonly failed: number
  /** Failures by class. */
  readonly classes: Readonly<Record<string, number>>
  readonly slowestMs: number
  readonly leastReady: number
  /** Of the failed ones: what was in the hands of a host that lost its power, or of a balancer that was restarted. */
  readonly takenAlong?: number
  /** The run ended in the state that docs/failures.md promises; for a peer: the fleet was whole at its end. */
  readonly asPromised: boolean
  /** What was left when it was over: servers that HAProxy kept out, and how many releases the fleet served. */
  readonly left?: { readonly out: readonly string[]; readonly releases: number }
}

export type TrialCase = {
  readonly name: string
  readonly commit: string
  readonly date: string
  readonly hosts: number
  readonly runs: readonly TrialRun[]
  /** Done by another tool: which, and the name of our own case that it stands beside. */
  readonly peer?: { readonly tool: string; readonly same: string }
}

export type TrialResults = { readonly what: string; readonly cases: readonly TrialCase[] }

/** What the tool, and nothing else, has lost. */
const lostOf = (run: TrialRun): number => run.failed - (run.takenAlong ?? 0)

export function trialsPage(results: TrialResults): string {
  const own = results.cases.filter((each) => each.peer === undefined)
  const rows = own.map((each) => {
    const count = countIn(each)
    const cells = [
      each.name,
      each.runs.length,
      count((run) => (run.asPromised ? 1 : 0)),
      count((run) => (lostOf(run) > 0 ? 1 : 0)),
      `${count((run) => run.requests)} (${count(lostOf)})`,
      count((run) => run.takenAlong ?? 0),
      Math.min(...each.runs.map((run) => run.leastReady)),
      `${each.date.slice(0, 10)}, \`${each.commit.slice(0, 7)}\``,
    ]
    return `| ${cells.join(' | ')} |`
  })
  const all = own.flatMap((each) => each.runs)
  const lossy = all.filter((run) => lostOf(run) > 0).length
  return `# Trials: what fails in the middle of a rollout, and what is lost

Generated from [test/results/part3.json](../test/results/part3.json), the last result of the suite's full form; never
written by hand. Each case is run on real hosts with real HAProxy, while 30 users come through it on connections that
are kept alive, half of their requests POST, none tried again. A run is "as promised" when it ended in the state of
[failures.md](failures.md) and HAProxy had every server ready; it is one "with loss" when a single request failed.
Requests that are "taken along" were in the hands of a host that lost its power while it served, or of HAProxy when it was
itself restarted: no deploy tool can save those, so they are counted apart. HAProxy has \`option idle-close-on-response\`
where it is reloaded, as [balancers.md](balancers.md) asks for: without it a reload resets a few idle clients, whoever does it.

    ${results.what}

${all.length} runs, ${lossy} with loss.

| what happens | runs | as promised | with loss | requests (lost) | taken along | least ready | when |
|---|---|---|---|---|---|---|---|
${rows.join('\n')}
${peersPage(results)}`
}

const countIn = (each: TrialCase) => (of: (run: TrialRun) => number) => each.runs.reduce((sum, run) => sum + of(run), 0)

/** What another tool leaves behind in the cases that can be compared; nothing before they were run. */
function peersPage({ cases }: TrialResults): string {
  const rows = cases.flatMap((each) => {
    if (each.peer === undefined) return []
    const { tool, same } = each.peer
    const ours = cases.find((candidate) => candidate.name === same && candidate.peer === undefined)
    const row = (who: string, its: TrialCase) => {
      const count = countIn(its)
      const out = count((run) => (run.left === undefined ? (run.asPromised ? 0 : 1) : run.left.out.length > 0 ? 1 : 0))
      const mixed = count((run) => (run.left === undefined ? (run.asPromised ? 0 : 1) : run.left.releases > 1 ? 1 : 0))
      const cells = [each.name, who, its.runs.length, out, mixed, count(lostOf), count((run) => run.takenAlong ?? 0)]
      return `| ${cells.join(' | ')} |`
    }
    return [row(tool, each), ...(ours === undefined ? [] : [row('Rollgate', ours)])]
  })
  if (rows.length === 0) return ''
  return `
## The same with another tool

The cases that can be compared, on the same lab under the same load, with a playbook as people write it: \`serial: 1\`, the
\`haproxy\` module of community.general to drain and to enable, a restart, a health check ([test/e2e/peer-ansible.test.ts](../test/e2e/peer-ansible.test.ts)). Counted when all
was over, without anybody's help but the one command that the tool offers for it (\`rollgate resume\`; a playbook has none).

    ROLLGATE_FULL=1 LAB_PACKAGES=python3 npm test -- e2e/peer-ansible

| what happens | with | runs | a host left out of rotation | more than one release left | requests lost | taken along |
|---|---|---|---|---|---|---|
${rows.join('\n')}
`
}
