// What stands for a secret where its value must not be: a release's hash changes when a secret changes, and the
// digest must not help to guess it. Hence a slow function, salted with the app and the secret's name.
import { scryptSync } from 'node:crypto'

/** Hex. About 50 ms on purpose. */
export function secretDigest(app: string, name: string, value: string): string {
  return scryptSync(value, `rollgate\0${app}\0${name}`, 32).toString('hex')
}
