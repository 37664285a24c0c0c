// The service managers we know.
import type { Layout } from '../../domain/layout.ts'
import type { ServiceManager, ServiceSettings } from '../../domain/service.ts'
import { createCommandService } from './command.ts'
import { createNoService } from './none.ts'
import { createSystemd } from './systemd.ts'

export function createServiceManager(settings: ServiceSettings, layout: Layout): ServiceManager {
  switch (settings.kind) {
    case 'systemd':
      return createSystemd(settings)
    case 'command':
      return createCommandService(settings, layout)
    case 'none':
      return createNoService()
    default:
      return settings satisfies never
  }
}
