// Where things lie under a release root. Pure: paths from words. Everything of ours besides releases/, shared/ and
// current is in `.rollgate/`, so that a root in Capistrano's layout can be adopted as it is.
import type { ReleaseId } from './release.ts'

export type Layout = {
  readonly root: string
  readonly releases: string
  readonly shared: string
  readonly current: string
  /** Ours: 0700. */
  readonly state: string
  readonly ledger: string
  readonly history: string
  readonly lease: string
  release(id: ReleaseId): string
  /** One line of JSON (ReleaseInfo); its presence says that the release is complete and verified. */
  info(id: ReleaseId): string
  /** One word: succeeded or failed. Missing: staged. */
  outcome(id: ReleaseId): string
  manifest(id: ReleaseId): string
  /** Hidden and keyed by hash: half uploads are found again, or swept. */
  staging(hash: string): string
  rollout(id: string): string
}

/** 0600, inside the release so that the switch of `current` switches it too. */
export const ENV_FILE = '.rollgate.env'

export function layoutOf(root: string): Layout {
  const state = `${root}/.rollgate`
  return {
    root,
    releases: `${root}/releases`,
    shared: `${root}/shared`,
    current: `${root}/current`,
    state,
    ledger: `${state}/ledger`,
    history: `${state}/history`,
    lease: `${state}/lease`,
    release: (id) => `${root}/releases/${id}`,
    info: (id) => `${state}/releases/${id}.json`,
    outcome: (id) => `${state}/releases/${id}.outcome`,
    manifest: (id) => `${state}/releases/${id}.manifest`,
    staging: (hash) => `${root}/releases/.staging-${hash}`,
    rollout: (id) => `${state}/rollouts/${id}`,
  }
}
