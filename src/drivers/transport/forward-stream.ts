// A forwarded byte stream that behaves as a socket does. ssh2's channels end as if all were well when their connection
// goes away, and closing one waits for the other side: half an answer would look like a whole one.
import { Duplex } from 'node:stream'
import type { SshClient } from './client.ts'

export function forwardStream(channel: Duplex & { close?: () => void }, client: SshClient, lost: () => Error): Duplex {
  let forget = (): unknown => undefined
  const stream = new Duplex({
    allowHalfOpen: true,
    read() {
      channel.resume()
    },
    write(chunk: Buffer, _encoding, done) {
      if (channel.write(chunk)) done()
      else channel.once('drain', () => done())
    },
    final(done) {
      channel.end()
      done()
    },
    destroy(error, done) {
      forget()
      channel.close?.()
      channel.resume()
      done(error)
    },
  })
  forget = client.onGone(() => stream.destroy(lost()))
  channel.on('data', (chunk: Buffer) => {
    if (!stream.destroyed && !stream.push(chunk)) channel.pause()
  })
  channel.on('end', () => {
    if (!stream.destroyed) stream.push(null)
  })
  channel.on('error', (error: Error) => stream.destroy(error))
  // The other side has closed both ways: what we still wanted to say has nowhere to go.
  channel.on('close', () => {
    if (stream.readableEnded || stream.destroyed) stream.destroy()
    else stream.once('end', () => stream.destroy())
  })
  return stream
}
