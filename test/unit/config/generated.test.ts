// What is generated from the schema and lies in the repository. After a change: `npx vitest run test/unit/config -u`.
import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { jsonSchema, schemaText } from '../../../src/config/json-schema.ts'
import { allKeys, explainKey, referenceMarkdown } from '../../../src/config/reference.ts'
import { file, load, places, plus, problemsOf, schemaRefuses } from './helpers.ts'

const root = new URL('../../../', import.meta.url).pathname
const fixture = (name: string): Promise<string> => readFile(`${root}test/fixtures/config/${name}`, 'utf8')

describe('the JSON Schema', () => {
  test('in templates/ is current', async () => {
    await expect(schemaText()).toMatchFileSnapshot(`${root}templates/rollgate.schema.json`)
    expect(JSON.parse(schemaText())).toEqual(jsonSchema())
  })

  test.each([
    ['an unknown key', plus('bananas: 1')],
    ['an unknown key of a host', file({ 4: '  web-1: { adress: x }' })],
    ['a bare duration', plus('rollout: { progress_deadline: 30 }')],
    ['a wrong word', plus('rollout: { on_failure: maybe }')],
    ['a port beyond 65535', file({ 10: 'health: { http: { port: 70000 } }' })],
    ['no app', file({ 1: null })],
    ['what is not built yet', plus('notify: []')],
    ['a problem in an environment', plus('environments: { production: { confirm: 3 } }')],
  ])('refuses %s', (_, text) => {
    expect(schemaRefuses(text)).toBe(true)
  })

  test('describes every key', () => {
    expect(allKeys().filter((info) => info.description === '')).toEqual([])
    expect(allKeys().length).toBeGreaterThan(100)
  })
})

describe('the reference', () => {
  test('in docs/ is current', async () => {
    await expect(referenceMarkdown()).toMatchFileSnapshot(`${root}docs/configuration.md`)
  })

  test('begins with a file that works', async () => {
    const text = /```yaml\n([\s\S]*?)```/.exec(referenceMarkdown())?.[1] ?? ''
    expect(text.trim().split('\n')).toHaveLength(10)
    expect((await load(text)).config.hosts).toHaveLength(2)
  })

  test.each([
    ['rollout.at_once', 'Default  1'],
    ['hosts.web-1.port', 'a port, 1 to 65535'],
    ['hosts."web.example.com".port', 'hosts.NAME.port'],
    ['rollout.steps[3].deploy', 'cumulative'],
    ['balancer.drain', 'balancer.drain.on_deadline'],
    ['release.root', 'it must be given'],
    ['environments', '-e NAME'],
    ['gates.canary.when', 'before the host is enabled'],
    ['loads.checkout.safety.abort_if', 'errors > 5% for 10s'],
    ['rollout.steps[0].weight', 'Not built yet'],
    ['rollout.steps[0].gate', 'A gate of'],
  ])('explains %s alone', (key, says) => {
    expect(explainKey(key)).toContain(says)
  })

  test.each(['', 'bananas', 'hosts.web-1.bananas', 'rollout.steps.deploy', 'hosts[0].port'])('has nothing to say about %j', (key) => {
    expect(explainKey(key)).toBeNull()
  })
})

describe('the example of the design', () => {
  test('works without what is not built yet', async () => {
    const { config } = await load(await fixture('whole.yml'), { environment: 'production' })
    expect(config).toMatchObject({ confirm: true, rollout: { atOnce: 2, probe: { ratePerSecond: 20 } } })
    expect(config.defaults.balancers).toMatchObject([{ hosts: ['lb-1'], drain: { onDeadline: 'continue' } }])
    const staging = (await load(await fixture('whole.yml'), { environment: 'staging' })).config
    expect(staging.defaults.balancers).toEqual([])
    expect(staging.hosts).toHaveLength(1)
  })

  test('is refused in one line for each thing that is not built yet, and for nothing else', async () => {
    const text = await fixture('design-example.yml')
    const problems = await problemsOf(text, { environment: 'production', env: { SLACK_WEBHOOK: 'x' } })
    expect(problems.every((problem) => problem.message.includes('is not built yet in this version'))).toBe(true)
    expect(places(problems).map((place) => place.split(' ')[1])).toEqual(['inventory', 'notify'])
  })
})
