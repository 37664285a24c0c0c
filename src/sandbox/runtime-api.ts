// HAProxy's runtime API (management.txt 9.3, answers compared with 2.6) over the sandbox's balancer: the part that a
// deploy tool uses. One line a connection, commands separated by `;`, each answer ends with an empty line, then the
// connection is closed. An empty answer to a `set` is success; everything else is text for people, with its severity
// in front when `set severity-output number` came first.
import { hostname } from 'node:os'
import { type BalancedServer, DRAIN, FALL, MAINTENANCE, RISE, setAdmin, statusOf } from './balanced-server.ts'

export type RuntimeState = {
  readonly backend: string
  readonly servers: readonly BalancedServer[]
  /** The port that is shown as each server's own: what the hosts call it. */
  readonly shownPort: number
  readonly startedAt: number
  /** Seconds since the epoch. Kept, not computed: it tells one process from the next. */
  readonly startedEpoch: number
}

type Severity = 3 | 6
type Answer = string | { readonly severity: Severity; readonly text: string }

const COLUMNS =
  'pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,wredis,status,weight,act,bck,chkfail,chkdown,lastchg,downtime,qlimit,pid,iid,sid,throttle,lbtot,tracked,type,rate,rate_lim,rate_max,check_status,check_code,check_duration,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,hanafail,req_rate,req_rate_max,req_tot,cli_abrt,srv_abrt,comp_in,comp_out,comp_byp,comp_rsp,lastsess,last_chk,last_agt,qtime,ctime,rtime,ttime,agent_status,agent_code,agent_duration,check_desc,agent_desc,check_rise,check_fall,check_health,agent_rise,agent_fall,agent_health,addr,cookie,mode,algo,conn_rate,conn_rate_max,conn_tot,intercepted,dcon,dses,wrew,connect,reuse,cache_lookups,cache_hits,srv_icur,src_ilim,qtime_max,ctime_max,rtime_max,ttime_max,eint,idle_conn_cur,safe_conn_cur,used_conn_cur,need_conn_est,uweight,agg_server_status,agg_server_check_status,agg_check_status'.split(
    ',',
  )

const STATE_COLUMNS =
  '# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port'

const BACKEND_ID = 3
const ok = ''
const error = (text: string): Answer => ({ severity: 3, text: `${text}\n` })

/** The whole answer to one line. */
export function answerLine(state: RuntimeState, line: string): string {
  let severities = false
  let output = ''
  for (const command of line.split(';')) {
    const words = command.trim().split(/\s+/)
    if (words[0] === '') continue
    if (words.slice(0, 2).join(' ') === 'set severity-output') {
      severities = words[2] === 'number'
      output += '\n'
      continue
    }
    const answer = run(state, words)
    output += typeof answer === 'string' ? answer : `${severities ? `[${answer.severity}]: ` : ''}${answer.text}`
    output += '\n'
  }
  return output
}

function run(state: RuntimeState, words: readonly string[]): Answer {
  const verb = words.slice(0, 2).join(' ')
  switch (verb) {
    case 'show info':
      return showInfo(state)
    case 'show stat':
      return showStat(state)
    case 'show cli':
      return { severity: 6, text: 'admin\n' }
    case 'show servers':
      if (words[3] !== undefined && words[3] !== state.backend) return error("Can't find backend.")
      return words[2] === 'conn' ? showConnections(state) : showState(state)
    case 'set server':
      return withServer(state, words[2], (server) => setServer(server, words.slice(3)))
    case 'shutdown sessions':
      return withServer(state, words[3], (server) => {
        for (const cut of server.cuts) cut()
        return ok
      })
    default:
      if (words[0] === 'get' && words[1] === 'weight') {
        return withServer(state, words[2], (server) => ({ severity: 6, text: `${server.weight} (initial ${server.initialWeight})\n` }))
      }
      return { severity: 6, text: 'Unknown command.\n' }
  }
}

function withServer(state: RuntimeState, path: string | undefined, work: (server: BalancedServer) => Answer): Answer {
  const [backend, name] = (path ?? '').split('/')
  if (name === undefined) return error("Require 'backend/server'.")
  if (backend !== state.backend) return error('No such backend.')
  const server = state.servers.find((each) => each.name === name)
  return server === undefined ? error('No such server.') : work(server)
}

function setServer(server: BalancedServer, [what, value]: readonly string[]): Answer {
  const now = performance.now()
  if (what === 'weight') return setWeight(server, value)
  if (what !== 'state') return error('usage: set server <backend>/<server> state | weight')
  if (value === 'ready') setAdmin(server, 0, now)
  else if (value === 'drain') setAdmin(server, DRAIN, now)
  else if (value === 'maint') setAdmin(server, MAINTENANCE, now)
  else return error("'set server <srv> state' expects 'ready', 'drain' and 'maint'.")
  return ok
}

function setWeight(server: BalancedServer, value: string | undefined): Answer {
  if (value === undefined) return error('Require <weight> or <weight%>.')
  const [, digits, percent] = /^(\d+)(%?)$/.exec(value) ?? []
  if (digits === undefined) return error('Empty weight string empty or preceded by garbage')
  const weight = percent === '%' ? Math.floor((server.initialWeight * Number(digits)) / 100) : Number(digits)
  if (weight > 256) return error('Absolute weight can only be between 0 and 256 inclusive.')
  server.weight = weight
  return ok
}

function showStat(state: RuntimeState): string {
  const rows = state.servers.map((server) => statRow(state, server))
  const inFlight = state.servers.reduce((sum, server) => sum + server.inFlight, 0)
  const active = state.servers.filter((server) => server.running && server.admin === 0).length
  const backend = {
    ...{ pxname: state.backend, svname: 'BACKEND', status: active > 0 ? 'UP' : 'DOWN', act: active, scur: inFlight },
    ...{ qcur: 0, weight: active, pid: 1, iid: BACKEND_ID, sid: 0, type: 1, mode: 'http', algo: 'roundrobin' },
    lbtot: state.servers.reduce((sum, server) => sum + server.total, 0),
  }
  return `# ${COLUMNS.join(',')},\n${[...rows, backend].map(csv).join('')}`
}

type Row = Readonly<Record<string, string | number>>

function csv(row: Row): string {
  return `${COLUMNS.map((column) => row[column] ?? '').join(',')},\n`
}

function statRow(state: RuntimeState, server: BalancedServer): Row {
  const common = {
    ...{ pxname: state.backend, svname: server.name, qcur: 0, qmax: 0, scur: server.inFlight, smax: server.mostInFlight },
    ...{ stot: server.total, lbtot: server.total, econ: server.connectErrors, eresp: server.responseErrors, wretr: 0, wredis: 0 },
    ...{ status: statusOf(server), weight: server.weight, act: 1, bck: 0, chkfail: server.failedChecks, chkdown: server.downs },
    ...{ lastchg: seconds(server.changedAt), downtime: 0, pid: 1, iid: BACKEND_ID, sid: server.id, type: 2, mode: 'http' },
    ...{ addr: `127.0.0.1:${state.shownPort}`, srv_icur: 0, used_conn_cur: server.inFlight, uweight: server.weight },
  }
  // HAProxy shows nothing of the checks while they are paused.
  if (server.admin === MAINTENANCE) return common
  return {
    ...common,
    ...{ check_status: `${server.checking ? '* ' : ''}${server.check.word}`, check_code: server.check.code ?? '' },
    ...{ check_duration: server.check.ms, check_rise: RISE, check_fall: FALL, check_health: server.health },
  }
}

function showState(state: RuntimeState): string {
  const rows = state.servers.map((server) => {
    const paused = server.admin === MAINTENANCE
    return [
      ...[BACKEND_ID, state.backend, server.id, server.name, '127.0.0.1', server.running ? 2 : 0, server.admin],
      ...[server.weight, server.initialWeight, seconds(server.changedAt), server.check.passed ? 15 : 8],
      ...[server.check.passed ? 3 : 2, server.health, paused ? 14 : 6],
      ...[0, 0, 0, '-', state.shownPort, '-', 0, 0, '-', '-', 0],
    ].join(' ')
  })
  return `1\n${[STATE_COLUMNS, ...rows].join('\n')}\n`
}

function showConnections(state: RuntimeState): string {
  const head =
    '# bkname/svname bkid/svid addr port - purge_delay used_cur used_max need_est unsafe_nb safe_nb idle_lim idle_cur idle_per_thr[1]'
  const rows = state.servers.map(
    (server) =>
      `${state.backend}/${server.name} ${BACKEND_ID}/${server.id} 127.0.0.1 ${state.shownPort} - 5000 ${server.inFlight} ${server.mostInFlight} 1 0 0 -1 0 0`,
  )
  return `${[head, ...rows].join('\n')}\n`
}

function showInfo(state: RuntimeState): string {
  const uptime = seconds(state.startedAt)
  const inFlight = state.servers.reduce((sum, server) => sum + server.inFlight, 0)
  const facts: readonly (readonly [string, string | number])[] = [
    ['Name', 'HAProxy'],
    ['Version', '2.6.0-rollgate-sandbox'],
    ['Release_date', '2022/05/31'],
    ['Nbthread', 1],
    ['Nbproc', 1],
    ['Process_num', 1],
    ['Pid', process.pid],
    ['Uptime', `0d ${Math.floor(uptime / 3600)}h${two(Math.floor(uptime / 60) % 60)}m${two(uptime % 60)}s`],
    ['Uptime_sec', uptime],
    ['CurrConns', inFlight],
    ['CumReq', state.servers.reduce((sum, server) => sum + server.total, 0)],
    ['node', hostname()],
    ['Stopping', 0],
    ['Start_time_sec', state.startedEpoch],
  ]
  return `${facts.map(([name, value]) => `${name}: ${value}`).join('\n')}\n`
}

function seconds(since: number): number {
  return Math.max(0, Math.floor((performance.now() - since) / 1000))
}

function two(number: number): string {
  return String(number).padStart(2, '0')
}
