// The only file that names oclif. Its parts come by their own paths: the package's index would load all of it, and
// `--help` must be quick.
export * as Args from '@oclif/core/args'
export { Command } from '@oclif/core/command'
export { Config } from '@oclif/core/config'
export { CLIError } from '@oclif/core/errors'
export * as Flags from '@oclif/core/flags'
export { CommandHelp } from '@oclif/core/help'
