// A host of the sandbox sees its folder under the same path as every other host: a release root is one absolute path
// for the whole fleet, but these hosts share one disk and nobody here is root, so there is no chroot. Therefore the
// folder's name is translated on the way in (`hosts-4f1c…/me` → `hosts-4f1c…/01`) and back on the way out. Both names
// have the same length on purpose: nothing that counts bytes (tar headers, sizes) is disturbed. Only the last two parts
// of the path are looked for: they need no quoting in any language, whatever stands before them. Careful about names
// that are cut in two by a chunk's end: the tail that could be a beginning is kept back until the next chunk or the end.
import { Transform } from 'node:stream'

/** Two absolute paths that differ in their last part. */
export type View = {
  /** The path everybody writes. */
  readonly shown: string
  /** The path on this machine's disk. */
  readonly real: string
}

/** Text on its way to the host: a command line, a forwarded path. */
export function toReal(view: View, text: string): string {
  return text.replaceAll(name(view.shown), () => name(view.real))
}

export function inward(view: View): Transform {
  return replacing(name(view.shown), name(view.real))
}

export function outward(view: View): Transform {
  return replacing(name(view.real), name(view.shown))
}

function name(path: string): string {
  return path.split('/').slice(-2).join('/')
}

/** @throws when the two names differ in length */
function replacing(from: string, to: string): Transform {
  const wanted = Buffer.from(from)
  const instead = Buffer.from(to)
  if (wanted.length !== instead.length) throw new Error(`${from} and ${to} differ in length`)
  let kept: Buffer = Buffer.alloc(0)
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const bytes = replaceAll(kept.length === 0 ? Buffer.from(chunk) : Buffer.concat([kept, chunk]), wanted, instead)
      const keep = openTail(bytes, wanted)
      kept = bytes.subarray(bytes.length - keep)
      const ready = bytes.subarray(0, bytes.length - keep)
      done(null, ready.length === 0 ? undefined : ready)
    },
    flush(done) {
      done(null, kept.length === 0 ? undefined : kept)
    },
  })
}

function replaceAll(bytes: Buffer, from: Buffer, to: Buffer): Buffer {
  for (let at = bytes.indexOf(from); at !== -1; at = bytes.indexOf(from, at + from.length)) to.copy(bytes, at)
  return bytes
}

/** Length of the longest end of `bytes` that is a beginning (not all) of `wanted`. */
function openTail(bytes: Buffer, wanted: Buffer): number {
  for (let length = Math.min(bytes.length, wanted.length - 1); length > 0; length -= 1) {
    if (bytes.subarray(bytes.length - length).equals(wanted.subarray(0, length))) return length
  }
  return 0
}
