// The shape of `gates`: where the evidence comes from, what must hold, and what follows when nobody can say. Which keys go
// together is in rules-gate.ts.
import * as names from './names.ts'
import { doc, either, list, type Output, object, optional, value, withDefault } from './shape.ts'
import * as values from './values.ts'
import { choice, duration, percent, shellLine, text, whole, yesNo } from './values.ts'

const prometheus = object({
  url: doc(value(names.url), 'The metrics server'),
  query: doc(value(shellLine), 'PromQL; `{{ window }}` stands for the window of a burn rate'),
  on_empty: doc(withDefault(value(choice('invalid', 'inconclusive', 'fail')), 'invalid'), 'What an answer without a series means'),
  stale: doc(withDefault(value(duration()), '5m'), 'An older sample is no answer'),
  burn: doc(
    optional(
      object({
        objective: doc(value(percent('objective')), 'The objective over 30 days, such as `99.9%`'),
        windows: doc(withDefault(value(choice('fast', 'all')), 'fast'), '`fast`: 1 h confirmed by 5 min; `all`: 6 h and 3 d too'),
      }),
    ),
    'Judges how fast the error budget burns: the query answers a share of errors',
  ),
})

const clause = object({
  clause: doc(value(text('a clause such as `p95 < 300ms`', undefined, { atMost: 200 })), 'What must hold'),
  mode: doc(withDefault(value(choice('gate', 'warn', 'shadow')), 'gate'), '`warn`: shown, never stops; `shadow`: only recorded'),
  above: doc(optional(value(duration())), 'What `slow` means in this clause'),
})

export const gate = object({
  load: doc(optional(value(names.loadName)), 'Measures with this load of `loads`'),
  at: doc(
    optional(value(names.gateTarget)),
    'Where the load goes: `canary` (the new hosts’ own addresses), `balancer`, or a URL. Default: canary',
  ),
  when: doc(
    optional(value(choice('isolated', 'serving'))),
    '`isolated`: before the host is enabled; `serving`: after. Default: isolated at the canary, unless it is compared in rotation',
  ),
  against: doc(
    optional(
      object({
        baseline: doc(
          value(choice('drained-peer', 'in-rotation', 'mixed')),
          'The old host: `drained-peer`, taken out as control; `in-rotation`, both serve; `mixed`, only one of them does',
        ),
        restart: doc(withDefault(value(yesNo), false), 'Restart the old host too, so that both are cold'),
        insist: doc(withDefault(value(yesNo), false), 'With `mixed`: let comparisons of latency decide'),
      }),
    ),
    'An old host gets the same requests at the same moments; clauses may say `baseline`',
  ),
  calibrate: doc(
    optional(value(duration('0s'))),
    'How long the same hosts are compared before the push, to know how much they differ by themselves; `0s`: never. Default: half the longest time of the load, 15 s to 2 min',
  ),
  prometheus: doc(optional(prometheus), 'Asks a metrics server'),
  command: doc(
    optional(
      either(
        value(shellLine),
        object({
          run: doc(value(shellLine), 'The shell line'),
          timeout: doc(withDefault(value(duration()), '10m'), 'After this it is ended, and has not answered'),
        }),
      ),
    ),
    'A shell line on this machine: exit 0 passes',
  ),
  approval: doc(optional(value(names.words)), 'A question to a person; `--yes` does not answer'),
  import: doc(
    optional(
      object({
        format: doc(
          value(choice('k6', 'locust', 'jmeter', 'vegeta', 'artillery', 'gatling', 'oha', 'autocannon', 'fortio', 'wrk', 'hey')),
          'Which tool wrote it',
        ),
        path: doc(value(names.localPath), 'The file'),
        planned: doc(optional(value(duration())), 'How long the run was to be: evidence that it came to its end'),
        exit_code: doc(optional(value(names.localPath)), 'A file with the exit code of the tool: `k6 run …; echo $? > FILE`'),
      }),
    ),
    'Reads the result of another tool',
  ),
  pass: doc(
    withDefault(list(either(value(values.clauseLine), clause)), []),
    'What must hold: clauses, docs/gates.md lists them. Default where `against` compares: p50 + 10%, p95 + 15%, slow + 1pp, errors + 0.1pp',
  ),
  confidence: doc(
    withDefault(
      object({
        false_alarm: doc(withDefault(value(percent('chance')), '1%'), 'Chance that a release like the old one is failed'),
        false_pass: doc(withDefault(value(percent('chance')), '5%'), 'Chance, for each clause, that a release at the margin is passed'),
        looks: doc(withDefault(value(whole('a number', 1, 20)), 4), 'How often it looks before the end'),
        host_effect: doc(
          optional(value(values.hostEffect)),
          'How much hosts differ by themselves. Default: what calibrations of five pairs of hosts or more under this load have shown, else 5%',
        ),
      }),
      {},
    ),
    'How sure a verdict is',
  ),
  on_inconclusive: doc(
    optional(
      object({
        extend: doc(withDefault(value(whole('a number', 0, 10)), 1), 'More time, so often'),
        // biome-ignore lint/suspicious/noThenProperty: a key of the file, and nothing that could be awaited
        then: doc(optional(value(choice('pause', 'fail', 'pass'))), 'And then. Default: `rollout.on_inconclusive`'),
      }),
    ),
    'The data are good and not enough',
  ),
  on_invalid: doc(
    withDefault(
      object({
        retry: doc(withDefault(value(whole('a number', 0, 10)), 1), 'Measured afresh, so often'),
        // biome-ignore lint/suspicious/noThenProperty: a key of the file, and nothing that could be awaited
        then: doc(withDefault(value(choice('fail', 'pause')), 'fail'), 'And then'),
      }),
      {},
    ),
    'The data cannot be trusted, or there are none',
  ),
})

export type MergedGate = Output<typeof gate>
