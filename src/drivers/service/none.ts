// No service: nothing to start, nothing to ask. A release is files only (a static site), or somebody else drives it.
import type { Command } from '../../domain/command.ts'
import type { ServiceManager } from '../../domain/service.ts'

const NOTHING: Command = { argv: ['true'] }

export function createNoService(): ServiceManager {
  return {
    kind: 'none',
    units: [],
    start: () => NOTHING,
    stop: () => NOTHING,
    restart: () => NOTHING,
    reload: () => NOTHING,
    status: () => NOTHING,
    logs: () => NOTHING,
    readStatus: (unit) => ({
      unit,
      state: 'unknown',
      pid: null,
      lastExit: null,
      generation: null,
      restarts: null,
      workingDirectory: null,
      detail: 'no service is configured',
    }),
  }
}
