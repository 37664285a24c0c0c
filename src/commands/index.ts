// The commands there are: one line each. A command is a class in a file of its own that is loaded only when it is asked
// for; this list is all that `--help` needs, so it imports nothing. Adding a command: its file, and a line here.

export type CommandGroup = 'Start' | 'Roll out' | 'Measure' | 'Look' | 'By hand' | 'Configuration'

export type CommandEntry = {
  /** Words joined by a colon, as oclif has it: `config:validate` is typed `config validate`. */
  readonly id: string
  readonly group: CommandGroup
  /** One line; also the head of the command's own help. */
  readonly summary: string
  readonly aliases?: readonly string[]
  readonly load: () => Promise<{ readonly default: unknown }>
}

export const COMMANDS: readonly CommandEntry[] = [
  entry('init', 'Start', 'Write rollgate.yml: ask, try every answer on the real hosts, check', () => import('./init.ts')),
  entry('demo', 'Start', 'See a rolling deploy on this machine, with nothing installed', () => import('./demo.ts')),
  {
    ...entry('check', 'Start', 'Look at everything a deploy rests on, and say how to fix what is wrong', () => import('./check.ts')),
    aliases: ['doctor'],
  },
  entry('setup', 'Start', 'Prepare hosts: release root, shared folders, systemd unit', () => import('./setup.ts')),
  entry('plan', 'Roll out', 'Show what deploy would do, from the live fleet', () => import('./plan.ts')),
  entry('deploy', 'Roll out', 'Build, stage and roll out a release, host by host', () => import('./deploy.ts')),
  entry('push', 'Roll out', 'Build and stage a release on every host; nothing that serves is touched', () => import('./push.ts')),
  entry('rollback', 'Roll out', 'Go back to the last good release', () => import('./rollback.ts')),
  entry('restart', 'Roll out', 'Restart host by host, without a new release', () => import('./restart.ts')),
  entry('resume', 'Roll out', 'Go on with a rollout that is not finished, from any machine', () => import('./resume.ts')),
  entry('abort', 'Roll out', 'Take back a rollout that is not finished', () => import('./abort.ts')),
  entry('promote', 'Roll out', 'Answer what a paused rollout waits for with yes', () => import('./promote.ts')),
  entry('gate', 'Measure', 'Measure one gate against the live fleet, and judge it', () => import('./gate/index.ts')),
  entry('gate:plan', 'Measure', 'Say what each clause of a gate needs to be decided', () => import('./gate/plan.ts')),
  entry('gate:calibrate', 'Measure', 'Measure how much the hosts differ by themselves', () => import('./gate/calibrate.ts')),
  entry('gate:explain', 'Measure', 'Work a verdict out again from what was kept', () => import('./gate/explain.ts')),
  entry('gate:whatif', 'Measure', 'Judge what was measured under other limits', () => import('./gate/whatif.ts')),
  entry('load', 'Measure', 'Run a load test, and judge its thresholds', () => import('./load/index.ts')),
  entry('load:import', 'Measure', 'Judge the result of another load tool', () => import('./load/import.ts')),
  entry('load:selftest', 'Measure', 'Say what this machine can send', () => import('./load/selftest.ts')),
  entry('status', 'Look', 'Show what runs where, and what is odd about it', () => import('./status.ts')),
  entry('releases', 'Look', 'List the releases installed on each host', () => import('./releases.ts')),
  entry('history', 'Look', 'List past rollouts', () => import('./history.ts')),
  entry('report', 'Look', 'Make the page of a past rollout, load test or gate', () => import('./report.ts')),
  entry('logs', 'Look', "Show the services' logs, of all hosts together", () => import('./logs.ts')),
  entry('exec', 'By hand', 'Run a command on the hosts', () => import('./exec.ts')),
  entry('lock', 'Look', 'Show who holds the lock', () => import('./lock/index.ts')),
  entry('lock:release', 'By hand', 'Take the lock away from whoever holds it', () => import('./lock/release.ts')),
  entry('drain', 'By hand', 'Take a host out of rotation', () => import('./drain.ts')),
  entry('enable', 'By hand', 'Put a host back into rotation', () => import('./enable.ts')),
  entry('config:show', 'Configuration', 'Show the merged configuration, and where each value came from', () => import('./config/show.ts')),
  entry('config:validate', 'Configuration', 'List every problem of the configuration', () => import('./config/validate.ts')),
  entry('config:schema', 'Configuration', 'Print the JSON Schema of rollgate.yml', () => import('./config/schema.ts')),
]

function entry(id: string, group: CommandGroup, summary: string, load: CommandEntry['load']): CommandEntry {
  return { id, group, summary, load }
}

/** As people type it: `config validate`. */
export const typed = (id: string): string => id.replaceAll(':', ' ')
