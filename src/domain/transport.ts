// The way to run commands on a host. One connection per host for the whole rollout.
import type { Duplex } from 'node:stream'
import type { Command, CommandResult, RunOptions } from './command.ts'
import type { Host } from './host.ts'

export type ForwardTarget = { readonly host: string; readonly port: number } | { readonly socket: string }

export type ConnectOptions = {
  /** Of each hop, unless the user's OpenSSH configuration says ConnectTimeout; time in which a person is asked does not count. */
  readonly timeoutMs?: number
}

export interface Transport {
  readonly kind: 'ssh2' | 'openssh' | 'local' | string
  /**
   * Opens one connection, host key checked before anything is sent.
   * @throws RollgateError E_DNS, E_CONNECT_REFUSED, E_CONNECT_TIMEOUT, E_HOST_KEY, E_AUTH, E_KEY, E_UNREACHABLE
   */
  connect(host: Host, signal: AbortSignal, options?: ConnectOptions): Promise<Connection>
  close(): Promise<void>
}

export interface Connection {
  readonly host: Host
  /** What was reached: `deploy@10.0.0.11:22`. */
  readonly destination: string
  /** The address that our own socket was opened to; null, or not there: reached through something else (a jump host, a proxy command). */
  readonly dialed?: string | null
  readonly alive: boolean
  /** Calls back once when the connection is gone, for whatever reason. */
  onClose(callback: (reason: Error | null) => void): void
  /** A non-zero exit is a value. @throws RollgateError E_CANCELLED when the signal fires, E_LOST only when it could not even start. */
  run(command: Command, options?: RunOptions): Promise<CommandResult>
  /** A byte stream to a port or socket as seen from the host. @throws RollgateError E_CONNECT_REFUSED, E_LOST */
  forward(to: ForwardTarget, options?: { readonly signal?: AbortSignal }): Promise<Duplex>
  close(): Promise<void>
}
