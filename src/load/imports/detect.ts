// Which tool wrote a file, seen by how it begins. Careful to say "unknown" rather than to guess: what is read as another
// format has numbers too, and they are wrong.
import { documentOf, headOf, type Input } from './input.ts'
import { at, listAt, numberAt } from './json.ts'
import type { ImportKind, ImportTool } from './reading.ts'

export async function kindOf(input: Input): Promise<ImportKind | null> {
  const head = await headOf(input)
  if (head.startsWith('SQLite format 3\0')) return 'oha sqlite'
  const text = head.trimStart()
  const [line = ''] = text.split('\n', 1)
  if (text.startsWith('{')) return lineKind(line) ?? (await objectKind(input))
  if (text.startsWith('[')) return /"num_requests"/.test(text) || /^\[\s*\]\s*$/.test(text) ? 'locust json' : logKind(text)
  if (/^(<\?xml[^>]*>\s*)?<testResults/.test(text)) return 'jmeter xml'
  if (/^var stats = \{/.test(text)) return 'gatling stats'
  return csvKind(line) ?? (/^Running [\d.]+[smh] test @/m.test(text) ? 'wrk text' : null) ?? logKind(text)
}

export const toolOf = (kind: ImportKind): ImportTool => {
  const [tool] = kind.split(' ')
  // Every kind begins with its tool.
  return tool as ImportTool
}

function lineKind(line: string): ImportKind | null {
  if (/^\{"(type|metric)":"/.test(line) && /"type":"(Metric|Point)"/.test(line)) return 'k6 json'
  return /^\{"attack":/.test(line) || (/"latency":/.test(line) && /"seq":/.test(line) && /"timestamp":/.test(line)) ? 'vegeta json' : null
}

async function objectKind(input: Input): Promise<ImportKind | null> {
  let root: unknown
  try {
    root = JSON.parse(await documentOf({ ...input }))
  } catch {
    return null
  }
  if (numberAt(root, 'metrics', 'http_reqs', 'count') !== null || at(root, 'metrics', 'http_reqs', 'values') !== undefined)
    return 'k6 summary'
  if (listAt(root, 'results', 'metrics').length > 0 || at(root, 'state', 'testRunDurationMs') !== undefined) return 'k6 summary'
  if (at(root, 'aggregate', 'counters') !== undefined) return 'artillery json'
  if (at(root, 'latencyPercentiles') !== undefined && at(root, 'summary') !== undefined) return 'oha json'
  if (at(root, 'DurationHistogram') !== undefined) return 'fortio json'
  if (at(root, 'latencies') !== undefined && at(root, 'status_codes') !== undefined) return 'vegeta report'
  return at(root, 'latency') !== undefined && at(root, 'non2xx') !== undefined ? 'autocannon json' : null
}

function csvKind(line: string): ImportKind | null {
  if (line.startsWith('metric_name,timestamp,metric_value')) return 'k6 csv'
  if (/(^|[,;\t|])timeStamp([,;\t|]|$)/.test(line) && /(^|[,;\t|])elapsed([,;\t|]|$)/.test(line)) return 'jmeter csv'
  if (line.startsWith('Type,Name,Request Count')) return 'locust stats'
  if (line.startsWith('Timestamp,User Count,')) return 'locust history'
  if (line.startsWith('Method,Name,Error,Occurrences')) return 'locust failures'
  if (line.startsWith('Count,Message,Traceback')) return 'locust exceptions'
  if (line.startsWith('request-start,')) return 'oha csv'
  if (line.startsWith('response-time,DNS+dialup')) return 'hey csv'
  return /^\d{16,20},\d{1,3},\d+,\d+,\d+,/.test(line) ? 'vegeta csv' : null
}

function logKind(text: string): ImportKind | null {
  return /^\[[^\]]+\] \S+\/\w+\/locust\.\w+: /m.test(text) ? 'locust log' : null
}
