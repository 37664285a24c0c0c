// --events: every event as one JSON object a line, as it happens. Written at once and synchronously, so that what is in
// the file is true even after a kill; a full disk or a reader that went away silences it and nothing else.
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { RollgateError } from '../domain/error.ts'
import type { Renderer, Stamped } from '../domain/event.ts'
import { type Output, sinkTo } from './streams.ts'

export function eventLine(event: Stamped): string {
  return `${JSON.stringify(event)}\n`
}

export function createEventStream(output: Output): Renderer {
  const sink = sinkTo(output)
  return { on: (event) => sink.write(eventLine(event)), end: () => sink.end() }
}

/**
 * Appends to a file that only its owner may read (events hold output of hosts); a pipe somebody reads will do too.
 *
 * @throws RollgateError E_USAGE when it cannot be written: before anything is done, not in the middle
 */
export function createEventFile(path: string): Renderer {
  const file = open(path)
  let waiting = Buffer.alloc(0)
  let isOpen = true
  const flush = (): void => {
    try {
      while (waiting.length > 0) waiting = waiting.subarray(writeSync(file, waiting))
    } catch (error) {
      // A full pipe: the rest goes with the next event. Anything else will not get better.
      if (!isBusy(error)) stop()
    }
  }
  const stop = (): void => {
    if (!isOpen) return
    isOpen = false
    waiting = Buffer.alloc(0)
    try {
      closeSync(file)
    } catch {
      // Closed already, or the disk is gone: there is nobody to tell.
    }
  }
  return {
    on(event) {
      if (!isOpen) return
      waiting = Buffer.concat([waiting, Buffer.from(eventLine(event))])
      flush()
    },
    async end() {
      if (isOpen) flush()
      stop()
    },
  }
}

function open(path: string): number {
  try {
    // Without O_NONBLOCK a named pipe that nobody reads would hang us before the first event.
    return openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK, 0o600)
  } catch (cause) {
    throw new RollgateError('E_USAGE', `--events ${path} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
      hints: ['name a file in a folder that exists, or - for stdout'],
    })
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN'
}
