// Checked `loads` → LoadSettings. What the rules have refused cannot come here.
import { ENGINES, type EngineSettings } from '../domain/engine.ts'
import type {
  LoadAuth,
  LoadBody,
  LoadCapture,
  LoadData,
  LoadExpect,
  LoadModel,
  LoadRequest,
  LoadScenario,
  LoadSettings,
  RateProfile,
} from '../domain/load.ts'
import type { MergedLoad, MergedProfile, MergedRequest } from './schema-load.ts'

export function loadSettings(name: string, load: MergedLoad, local: (path: string) => string): LoadSettings {
  const [first, ...rest] = scenariosOf(load, local)
  if (first === undefined) throw new Error('a load without requests passed the rules')
  const { timeouts, safety, new_connection_every: every, from = [], http2 = false, tls = false, ca } = load
  return {
    name,
    model: modelOf(load),
    duration: load.duration,
    warmup: load.warmup,
    data: mapOf(load.data, (data) => dataOf(data, local)),
    scenarios: [first, ...rest],
    headers: load.headers,
    auth: authOf(load.auth, local),
    timeouts: { connectMs: timeouts.connect, firstByteMs: timeouts.first_byte, bodyMs: timeouts.body },
    safety: { methods: safety.methods, abortIf: safety.abort_if ?? null },
    ...(every === undefined ? {} : { newConnectionEvery: every }),
    ...(from.length === 0 ? {} : { from }),
    ...(http2 ? { http2 } : {}),
    ...(tls ? { tls } : {}),
    ...(ca === undefined ? {} : { ca: local(ca) }),
  }
}

/** null: our own generator sends it. */
export function engineSettings(name: string, { engine, duration }: MergedLoad, local: (path: string) => string): EngineSettings | null {
  const tool = ENGINES.find((one) => engine?.[one] !== undefined)
  if (engine === undefined || tool === undefined) return null
  const { command, args, workers, rate } = engine
  // A word with a slash is a path beside the file; without one it is looked for on the PATH.
  const program = command === undefined ? tool : command.includes('/') ? local(command) : command
  return {
    ...{ name, tool, path: local(engine[tool] ?? ''), command: program, args, workers: workers ?? 0 },
    ...{ ratePerSecond: rate ?? null, duration },
  }
}

function modelOf(load: MergedLoad): LoadModel {
  const { rate, arrivals, precision, max_in_flight: maxInFlight, connections, workers, amount } = load
  if (connections !== undefined)
    return { kind: 'closed', connections, ...(workers === undefined ? {} : { workers }), ...(amount === undefined ? {} : { amount }) }
  return {
    kind: 'paced',
    profile: profileOf(rate ?? 0),
    arrivals: arrivals ?? 'poisson',
    ...(precision === undefined ? {} : { precision }),
    ...(maxInFlight === undefined ? {} : { maxInFlight }),
  }
}

function profileOf(rate: number | MergedProfile): RateProfile {
  if (typeof rate === 'number') return { kind: 'constant', ratePerSecond: rate }
  const { ramp, spike, sine, steps = [] } = rate
  if (ramp !== undefined) return { kind: 'ramp', fromPerSecond: ramp.from, toPerSecond: ramp.to }
  if (spike !== undefined) return { kind: 'spike', basePerSecond: spike.base, peakPerSecond: spike.peak, atMs: spike.at, forMs: spike.for }
  if (sine !== undefined) return { kind: 'sine', meanPerSecond: sine.mean, amplitudePerSecond: sine.amplitude, periodMs: sine.period }
  return { kind: 'steps', steps: steps.map((step) => ({ ratePerSecond: step.rate, forMs: step.for })) }
}

function dataOf({ csv, jsonl, order }: MergedLoad['data'][string], local: (path: string) => string): LoadData {
  return csv === undefined ? { format: 'jsonl', path: local(jsonl ?? ''), order } : { format: 'csv', path: local(csv), order }
}

function scenariosOf(load: MergedLoad, local: (path: string) => string): readonly LoadScenario[] {
  const single = load.requests.map(({ weight, ...request }): LoadScenario => {
    const built = requestOf(request, local)
    return { name: `${built.method} ${built.path}`, weight, steps: [built] }
  })
  const several = Object.entries(load.scenarios).flatMap(([name, { weight, steps }]): readonly LoadScenario[] => {
    const [first, ...rest] = steps.map((step) => requestOf(step, local))
    return first === undefined ? [] : [{ name, weight, steps: [first, ...rest] }]
  })
  return [...single, ...several]
}

function requestOf(request: MergedRequest, local: (path: string) => string): LoadRequest {
  const { headers, expect, capture } = request
  const body = bodyOf(request)
  return {
    ...methodAndPath(request),
    ...(headers === undefined ? {} : { headers }),
    ...(body === null ? {} : { body }),
    ...(expect === undefined ? {} : { expect: expectOf(expect, local) }),
    ...(capture === undefined ? {} : { capture: mapOf(capture, captureOf) }),
  }
}

function methodAndPath(request: MergedRequest): Pick<LoadRequest, 'method' | 'path'> {
  const { get, head, options, post, put, patch } = request
  if (get !== undefined) return { method: 'GET', path: get }
  if (head !== undefined) return { method: 'HEAD', path: head }
  if (options !== undefined) return { method: 'OPTIONS', path: options }
  if (post !== undefined) return { method: 'POST', path: post }
  if (put !== undefined) return { method: 'PUT', path: put }
  return patch === undefined ? { method: 'DELETE', path: request.delete ?? '/' } : { method: 'PATCH', path: patch }
}

function bodyOf({ json, form, body }: MergedRequest): LoadBody | null {
  if (json !== undefined) return { kind: 'json', value: json }
  if (form !== undefined) return { kind: 'form', fields: form }
  return body === undefined ? null : { kind: 'text', text: body }
}

function expectOf(expect: NonNullable<MergedRequest['expect']>, local: (path: string) => string): LoadExpect {
  const { status, headers, body, json, schema, min_bytes: minBytes, max_bytes: maxBytes, within } = expect
  return {
    ...(status === undefined ? {} : { status: [status].flat() }),
    ...(headers === undefined
      ? {}
      : { headers: Object.fromEntries(Object.entries(headers).map(([name, is]) => [name.toLowerCase(), is])) }),
    ...(body === undefined ? {} : { bodyContains: [body].flat() }),
    ...(json === undefined ? {} : { json }),
    ...(schema === undefined ? {} : { schema: typeof schema === 'string' ? { path: local(schema) } : { json: schema } }),
    ...(minBytes === undefined ? {} : { minBytes }),
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(within === undefined ? {} : { withinMs: within }),
  }
}

function captureOf({ json, header, cookie }: NonNullable<MergedRequest['capture']>[string]): LoadCapture {
  if (json !== undefined) return { json }
  return header === undefined ? { cookie: cookie ?? '' } : { header: header.toLowerCase() }
}

function authOf(auth: MergedLoad['auth'], local: (path: string) => string): LoadAuth | null {
  if (auth?.bearer !== undefined) return { kind: 'bearer', token: auth.bearer }
  if (auth?.basic !== undefined) return { kind: 'basic', ...auth.basic }
  return auth?.login === undefined ? null : { kind: 'login', request: requestOf(auth.login, local) }
}

function mapOf<T, R>(map: Readonly<Record<string, T>>, change: (value: T) => R): Readonly<Record<string, R>> {
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name, change(value)]))
}
