// config show, validate and schema: what the configuration says, without connecting anywhere.
import { jsonSchema } from '../config/json-schema.ts'
import { ConfigError, loadConfig, validateConfig } from '../config/load.ts'
import type { Config } from '../domain/config.ts'
import type { ConfigDocument } from '../domain/document.ts'
import { errorInfo } from '../domain/error.ts'
import type { AppContext } from './context.ts'
import { documentError } from './documents.ts'

function whereToLook({ flags, cwd, env }: AppContext) {
  return {
    cwd,
    env,
    ...(flags.config === undefined ? {} : { file: flags.config }),
    ...(flags.environment === undefined ? {} : { environment: flags.environment }),
  }
}

/** What a command that connects nowhere works with. @throws ConfigError */
export async function loadConfigOf(context: AppContext): Promise<Config> {
  return (await loadConfig({ ...whereToLook(context), requireEnvironment: true })).config
}

/** The merged configuration of one environment, secrets masked, and where each value came from. @throws ConfigError */
export async function showConfig(context: AppContext): Promise<ConfigDocument> {
  const { masked, origins } = await loadConfig({ ...whereToLook(context), requireEnvironment: false })
  return { version: 1, command: 'config show', exitCode: 0, outcome: 'ok', config: masked, origins }
}

/** Every problem at once, of one environment or of all. */
export async function validate(context: AppContext): Promise<ConfigDocument> {
  const { problems } = await validateConfig(whereToLook(context))
  if (problems.length === 0) return { version: 1, command: 'config validate', exitCode: 0, outcome: 'ok', problems }
  const info = errorInfo(new ConfigError(problems))
  return { version: 1, command: 'config validate', exitCode: info.exitCode, outcome: 'failed', error: documentError(info), problems }
}

export async function configSchema(): Promise<ConfigDocument> {
  return { version: 1, command: 'config schema', exitCode: 0, outcome: 'ok', schema: jsonSchema() }
}
