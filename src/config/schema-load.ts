// The shape of `loads`: requests, how many of them, and what keeps them harmless. Which keys exclude each other is in
// rules-load.ts; texts with `{{ … }}` are kept as they stand, src/load compiles them.
import * as names from './names.ts'
import { doc, either, list, named, type Output, object, optional, value, withDefault } from './shape.ts'
import * as values from './values.ts'
import { choice, duration, durationRange, loadRate, shellLine, text, whole } from './values.ts'

export const METHODS = ['get', 'head', 'options', 'post', 'put', 'patch', 'delete'] as const

const expect = object({
  status: doc(
    optional(either(value(values.status), list(value(values.status)))),
    'Codes, or classes such as `2xx`; one or a list. Default: 200 to 399',
  ),
  headers: doc(
    optional(named(names.headerName, 'HEADER', value(values.textOrTrue))),
    'Headers of the answer: the exact value, or `true`: it is there',
  ),
  body: doc(optional(either(value(shellLine), list(value(shellLine)))), 'Texts that the answer contains; one or a list'),
  json: doc(optional(named(names.jsonPath, 'PATH', value(values.plain))), 'What stands at a path of the answer, such as `$.items[0].id`'),
  schema: doc(
    optional(value(names.schemaOrFile)),
    'What the body is: a file with a JSON Schema, or the schema itself; keywords that cannot be checked are refused',
  ),
  min_bytes: doc(optional(value(whole('a number of bytes', 0, 2 ** 40))), 'The answer has at least so many bytes'),
  max_bytes: doc(optional(value(whole('a number of bytes', 0, 2 ** 40))), 'The answer has at most so many bytes'),
  within: doc(optional(value(duration())), 'The answer is there in this time, from the send'),
})

const capture = object({
  json: doc(optional(value(names.jsonPath)), 'From the answer’s body'),
  header: doc(optional(value(names.headerName)), 'From a header of the answer'),
  cookie: doc(optional(value(names.headerName)), 'From a cookie of the answer'),
})

const path = (method: string) => doc(optional(value(names.requestPath)), `Path and query of a ${method} request`)

const requestFields = {
  get: path('GET'),
  head: path('HEAD'),
  options: path('OPTIONS'),
  post: path('POST'),
  put: path('PUT'),
  patch: path('PATCH'),
  delete: path('DELETE'),
  headers: doc(optional(named(names.headerName, 'HEADER', value(names.headerValue))), 'Headers of this request'),
  json: doc(optional(value(values.anything)), 'Body: sent as JSON'),
  form: doc(optional(named(names.words, 'FIELD', value(shellLine))), 'Body: sent as a form'),
  body: doc(optional(value(shellLine)), 'Body: sent as it is'),
  expect: doc(optional(expect), 'What the answer must be; otherwise the request has failed'),
  capture: doc(optional(named(names.secretName, 'VALUE', capture)), 'Values of the answer for later steps: `{{ VALUE }}`'),
}
const weight = doc(withDefault(value(whole('a number', 1, 1_000_000)), 1), 'Its share among all requests and scenarios')
const request = object(requestFields)

const scenario = object({ weight, steps: doc(list(request), 'Requests one after the other, until one of them fails') })

const rateStep = object({
  rate: doc(value(loadRate), 'Requests a second'),
  for: doc(value(duration()), 'For so long; the last one goes on until the end'),
})
const profile = object({
  ramp: doc(optional(object({ from: doc(value(loadRate), 'At first'), to: doc(value(loadRate), 'At the end') })), 'Rises or falls evenly'),
  steps: doc(optional(list(rateStep)), 'One rate after the other'),
  spike: doc(
    optional(
      object({
        base: doc(value(loadRate), 'Before and after'),
        peak: doc(value(loadRate), 'In between'),
        at: doc(value(duration('0s')), 'When it begins'),
        for: doc(value(duration()), 'How long it is'),
      }),
    ),
    'A sudden peak',
  ),
  sine: doc(
    optional(
      object({
        mean: doc(value(loadRate), 'Around this rate'),
        amplitude: doc(value(loadRate), 'By so much; at most the mean'),
        period: doc(value(duration()), 'From peak to peak'),
      }),
    ),
    'Rises and falls',
  ),
})

const auth = object({
  bearer: doc(optional(value(names.hiddenText)), 'A token: `{{ secret.NAME }}` or `{{ env.NAME }}`'),
  basic: doc(
    optional(
      object({
        user: doc(value(text('a login name')), 'Login name'),
        password: doc(value(names.hiddenText), '`{{ secret.NAME }}` or `{{ env.NAME }}`'),
      }),
    ),
    'Login name and password with every request',
  ),
  login: doc(optional(request), 'Sent once before the run; its cookies go with every request'),
})

const engine = object({
  k6: doc(optional(value(names.localPath)), 'A script for k6'),
  locust: doc(optional(value(names.localPath)), 'A file for Locust'),
  jmeter: doc(optional(value(names.localPath)), 'A plan for JMeter'),
  vegeta: doc(optional(value(names.localPath)), 'A list of targets for vegeta; `{{ target }}` in it is the site'),
  command: doc(optional(value(text('a program'))), 'The program, where it is not the tool’s name on the PATH'),
  args: doc(withDefault(list(value(shellLine)), []), 'More words for it, such as `[-u, "50"]`; secrets belong into the environment'),
  workers: doc(optional(value(whole('a number of processes', 1, 256))), 'Locust: processes beside its master'),
  rate: doc(optional(value(loadRate)), 'Requests a second: vegeta, and k6 where releases are compared'),
})

export const load = object({
  engine: doc(optional(engine), 'Another tool runs it and decides what is sent: docs/load.md; its result is imported'),
  rate: doc(
    optional(either(value(loadRate), profile)),
    'Requests a second, whatever the answers do (open model); or how the rate changes, as one of `ramp`, `steps`, `spike`, `sine`',
  ),
  arrivals: doc(
    optional(value(choice('poisson', 'uniform', 'constant'))),
    '`poisson`: at random, as users come; `uniform`: one in each interval; `constant`: a metronome. Default: poisson',
  ),
  precision: doc(optional(value(choice('exact', 'relaxed'))), '`relaxed`: up to 2 ms late, at less cost of this machine. Default: exact'),
  max_in_flight: doc(optional(value(whole('a number', 1, 10_000))), 'Requests under way, per target; more are shed and count as failed'),
  connections: doc(
    optional(value(whole('a number of connections', 1, 10_000))),
    'Closed model instead of a rate: each connection waits for its answer',
  ),
  workers: doc(optional(value(whole('a number', 1, 64))), 'Threads that share the connections. Default: 1'),
  amount: doc(optional(value(whole('a number', 1, 1_000_000_000))), 'So many requests over the connections instead of a duration'),
  from: doc(
    optional(list(value(names.hostName))),
    'Sent from these hosts of the inventory instead of this machine, each its share of the rate; they need Node 22',
  ),
  duration: doc(withDefault(value(durationRange('1s')), '75s..300s'), 'Measured time; at least..at most: a gate may stop in between'),
  warmup: doc(withDefault(value(durationRange('0s')), '15s..120s'), 'Sent before and not counted; at most so long, until it is steady'),
  data: doc(
    withDefault(
      named(
        names.secretName,
        'NAME',
        object({
          csv: doc(optional(value(names.localPath)), 'A file with a line of column names'),
          jsonl: doc(optional(value(names.localPath)), 'A file with a JSON object on each line'),
          order: doc(
            withDefault(value(choice('sequential', 'random', 'once', 'partition')), 'sequential'),
            '`once`: each row is used one time, and the run ends with the last; `partition`: of several generators each has rows of its own',
          ),
        }),
      ),
      {},
    ),
    'Rows for `{{ NAME.COLUMN }}`',
  ),
  requests: doc(
    withDefault(list(object({ ...requestFields, weight })), []),
    'What is sent: each with one method and its path. `{{ … }}` takes a value: run.id, DATA.COLUMN, env.NAME, secret.NAME, uuid, randomInt(1, 100), now',
  ),
  scenarios: doc(
    withDefault(named(names.loadName, 'SCENARIO', scenario), {}),
    'Several requests in a row, beside or instead of `requests`',
  ),
  headers: doc(withDefault(named(names.headerName, 'HEADER', value(names.headerValue)), {}), 'Headers of every request'),
  auth: doc(optional(auth), 'How it logs in'),
  timeouts: doc(
    withDefault(
      object({
        connect: doc(withDefault(value(duration()), '5s'), 'Until connected'),
        first_byte: doc(withDefault(value(duration()), '10s'), 'From the request to the answer’s head'),
        body: doc(withDefault(value(duration()), '10s'), 'From the head to the last byte'),
      }),
      {},
    ),
    'What takes longer has failed',
  ),
  safety: doc(
    withDefault(
      object({
        methods: doc(
          withDefault(list(value(choice('GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'))), ['GET', 'HEAD', 'OPTIONS']),
          'Methods that may be sent; others than these change something',
        ),
        abort_if: doc(optional(value(values.abortIf)), 'Stops at once when more than this share has failed for so long'),
      }),
      {},
    ),
    'What protects the target',
  ),
  http2: doc(optional(value(values.yesNo)), 'HTTP/2 instead of HTTP/1.1; only for a `rate`, and for targets with TLS'),
  tls: doc(optional(value(values.yesNo)), 'The hosts’ own ports speak TLS, with a certificate of the site. Default: plain HTTP'),
  ca: doc(optional(value(names.localPath)), 'A file (PEM) with an authority to trust besides the system’s'),
  new_connection_every: doc(optional(value(whole('a number', 1, 1_000_000))), 'Of `rate`: a connection is closed after so many requests'),
})

export type MergedLoad = Output<typeof load>
export type MergedRequest = Output<typeof request>
export type MergedProfile = Output<typeof profile>
