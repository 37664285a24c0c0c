// A host is a machine we log in to, known by its name in the inventory.

export type HostName = string

export type Host = {
  readonly name: HostName
  /** What the config says; the user's OpenSSH configuration may resolve it further. */
  readonly address: string
  /** Only where the config says so: otherwise the OpenSSH configuration decides. */
  readonly port?: number
  readonly user?: string
  /** Name of another host of the inventory, or an OpenSSH destination, to jump through. */
  readonly via?: string
  /** Pinned host key: `SHA256:…` fingerprint, or a `ssh-ed25519 AAAA…` line. */
  readonly hostKey?: string
  /** The balancer's name for it, when that differs from ours. */
  readonly server?: string
  readonly zone?: string
  readonly roles: readonly string[]
  readonly labels: Readonly<Record<string, string>>
}
