// The same without our tool: Ansible with its haproxy module, `serial: 1`, as its own documentation rolls an update. Four
// cases of Part 3 can be compared; what it left behind is kept beside our own numbers (docs/trials.md), and judged by
// nobody. Needs Ansible on this machine and Python in the hosts: `ROLLGATE_FULL=1 LAB_PACKAGES=python3 npm test --
// e2e/peer-ansible`; elsewhere it is skipped by name.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { lab as here, inHost, type Lab, labDo, mustInHost } from '../helpers/lab.ts'
import { until } from '../helpers/lab-wait.ts'
import { goOn, hang, healing } from './helpers/faults.ts'
import { APP_UNIT, emptyFleet, fleet, installByHand, suiteFolder, untilAllReady, untilHealthy } from './helpers/fleet.ts'
import { readyAll } from './helpers/haproxy.ts'
import { writeBuild } from './helpers/release.ts'
import { full, repeat, useTrials } from './helpers/trials.ts'

const version = /core ([\d.]+)/.exec(spawnSync('ansible-playbook', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1] ?? null
const missing =
  here === null
    ? 'the lab'
    : version === null
      ? 'ansible-playbook (apt-get install ansible)'
      : full
        ? null
        : 'ROLLGATE_FULL=1, and LAB_PACKAGES=python3 for the hosts'

/** Only so that the skipped tests can be counted. */
const NONE: Lab = { name: 'none', sshConfig: '/dev/null', hosts: [], balancer: { name: 'lb1', address: '127.0.0.1', role: 'balancer' } }

const PLAYBOOK = [
  {
    hosts: 'app',
    serial: 1,
    gather_facts: false,
    any_errors_fatal: true,
    tasks: [
      {
        name: 'drain',
        'community.general.haproxy': {
          state: 'drain',
          host: '{{ inventory_hostname }}',
          backend: 'app',
          socket: '/run/haproxy/admin.sock',
          drain: true,
          wait: true,
          wait_interval: 1,
          wait_retries: 20,
        },
        delegate_to: 'lb1',
      },
      // Where a person's playbook migrates something: the moment that the trials wait for.
      { name: 'hook', 'ansible.builtin.shell': 'while [ -e /run/hang-hook ]; do sleep 0.1; done' },
      { name: 'release', 'ansible.builtin.copy': { src: '{{ build }}/', dest: '/srv/app/releases/{{ release }}' } },
      {
        name: 'environment',
        'ansible.builtin.copy': { content: 'ROLLGATE_RELEASE={{ release }}\n', dest: '/srv/app/releases/{{ release }}/.rollgate.env' },
      },
      { name: 'switch', 'ansible.builtin.file': { src: 'releases/{{ release }}', dest: '/srv/app/current', state: 'link', force: true } },
      { name: 'restart', 'ansible.builtin.command': 'sudo -n systemctl restart app' },
      {
        name: 'healthy',
        'ansible.builtin.uri': { url: 'http://127.0.0.1:8080/healthz' },
        register: 'health',
        until: 'health.status == 200',
        retries: 20,
        delay: 1,
      },
      {
        name: 'enable',
        'community.general.haproxy': {
          state: 'enabled',
          host: '{{ inventory_hostname }}',
          backend: 'app',
          socket: '/run/haproxy/admin.sock',
          wait: true,
          wait_interval: 1,
          wait_retries: 20,
        },
        delegate_to: 'lb1',
      },
    ],
  },
]

describe.skipIf(missing !== null)(`ansible, for comparison${missing === null ? '' : ` (skipped: needs ${missing})`}`, () => {
  healing(async () => undefined)
  const folder = suiteFolder('peer')
  const trials = useTrials(here ?? NONE)
  const peer = (same: string) => ({ tool: `Ansible (core ${version})`, same })
  let count = 0
  let child: ChildProcess | null = null
  afterEach(() => {
    if (child !== null && child.exitCode === null && child.signalCode === null) kill(child, 'SIGKILL')
  })

  type Playing = { readonly child: ChildProcess; readonly ended: Promise<number | null>; readonly said: () => string }
  /** A fleet on an old release, and the way to start the playbook: in a process group of its own, as a terminal would. */
  const prepared = async (lab: Lab): Promise<() => Promise<Playing>> => {
    count += 1
    const place = join(folder.path, String(count))
    mkdirSync(place)
    await emptyFleet(lab, APP_UNIT)
    writeBuild(join(place, 'old'), `old ${count}`)
    await Promise.all(
      lab.hosts.map(async ({ name }) => {
        await installByHand(name, `old-${count}`, join(place, 'old'))
        await mustInHost(name, 'systemctl restart app')
        await untilHealthy(name, `old-${count}`)
      }),
    )
    writeBuild(join(place, 'new'), `new ${count}`)
    // JSON is YAML too.
    writeFileSync(join(place, 'play.yml'), JSON.stringify(PLAYBOOK))
    writeFileSync(
      join(place, 'hosts.ini'),
      `[app]\n${lab.hosts.map(({ name, address }) => `${name} ansible_host=${address}`).join('\n')}\n[balancer]\nlb1 ansible_host=${lab.balancer.address}\n[all:vars]\nansible_user=deploy\nansible_python_interpreter=/usr/bin/python3\n`,
    )
    await untilAllReady(lab)
    await hang('h2', 'hook')
    return () => started(lab, place)
  }
  const started = async (lab: Lab, place: string): Promise<Playing> => {
    const words = ['-i', 'hosts.ini', '-e', `build=${join(place, 'new')} release=new-${count}`, 'play.yml']
    const playing = spawn('ansible-playbook', words, {
      cwd: place,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH ?? '',
        HOME: place,
        LANG: 'C.UTF-8',
        ANSIBLE_PIPELINING: 'True',
        ANSIBLE_NOCOLOR: '1',
        ANSIBLE_SSH_ARGS: `-F ${lab.sshConfig} -o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=5`,
      },
    })
    child = playing
    let said = ''
    playing.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8')
    })
    playing.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8')
    })
    const ended = new Promise<number | null>((done) => playing.once('close', done))
    const hangs = `pgrep -f '/run/[h]ang-hook' >/dev/null`
    await until(
      'h2 is drained and in its hook',
      async () => {
        if (playing.exitCode !== null) throw new Error(`the playbook ended: ${said}`)
        return (await inHost('h2', hangs)).exitCode === 0
      },
      120_000,
    )
    return { child: playing, ended, said: () => said }
  }
  const releases = async (lab: Lab) => new Set((await fleet(lab)).map((host) => host.release)).size

  describe.each(repeat(3))('run %i', (run) => {
    const lab = here ?? NONE
    afterEach(() => readyAll(lab))

    test('killed in the middle', async () => {
      const play = await prepared(lab)
      await trials.watch('Ansible: kill -9 of the tool', run, peer('kill -9 of the tool, then `resume` from another machine'), async () => {
        const playing = await play()
        kill(playing.child, 'SIGKILL')
        await playing.ended
        await goOn('h2', 'hook')
        return releases(lab)
      })
    })

    test('Ctrl-C in the middle', async () => {
      const play = await prepared(lab)
      await trials.watch('Ansible: Ctrl-C', run, peer('SIGINT once in the middle of a host'), async () => {
        const playing = await play()
        kill(playing.child, 'SIGINT')
        await goOn('h2', 'hook')
        await playing.ended
        return releases(lab)
      })
    })

    test('a host is cut off in the middle', async () => {
      const play = await prepared(lab)
      await trials.watch(
        'Ansible: a host is cut off',
        run,
        peer('the network of a host is cut for 3 min: the others go back; later `resume`'),
        async () => {
          const playing = await play()
          await labDo('cut', 'h2')
          const code = await playing.ended
          expect(code, playing.said()).not.toBe(0)
          await labDo('heal', 'h2')
          await goOn('h2', 'hook')
          return releases(lab)
        },
      )
    })

    test('HAProxy is restarted in the middle', async () => {
      const play = await prepared(lab)
      await trials.watch(
        'Ansible: HAProxy is restarted',
        run,
        peer('HAProxy is restarted while a host is drained (its own connections break)'),
        async ({ away }) => {
          const playing = await play()
          await away(() => mustInHost('lb1', 'systemctl restart haproxy'))
          await goOn('h2', 'hook')
          const code = await playing.ended
          expect(code, playing.said()).toBe(0)
          return releases(lab)
        },
      )
    })
  })
})

function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid !== undefined) process.kill(-child.pid, signal)
}
