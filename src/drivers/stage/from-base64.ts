// Base64 in pieces of any length to bytes, with back-pressure: whoever writes waits until the bytes were taken.
import { PassThrough, type Readable } from 'node:stream'

export function fromBase64(): { readonly stream: Readable; write(text: string): Promise<void>; end(): Promise<void> } {
  const stream = new PassThrough({ highWaterMark: 1024 * 1024 })
  stream.on('error', () => undefined)
  let rest = ''
  const put = async (bytes: Buffer): Promise<void> => {
    if (bytes.length === 0 || stream.destroyed) return
    // Called back when the bytes went on, or when there is nobody any more to take them.
    await new Promise<void>((resolve) => stream.write(bytes, () => resolve()))
  }
  return {
    stream,
    async write(text) {
      const all = rest + text
      const whole = all.length - (all.length % 4)
      rest = all.slice(whole)
      await put(Buffer.from(all.slice(0, whole), 'base64'))
    },
    async end() {
      await put(Buffer.from(rest, 'base64'))
      stream.end()
    },
  }
}
