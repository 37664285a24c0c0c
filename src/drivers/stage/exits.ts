// Exit codes of the staging scripts: a condition is told by a number of ours, never by the words of a message.
export const EXIT = {
  /** A folder under the root could not be made or written. */
  root: 81,
  /** `current` is a real folder. */
  currentIsFolder: 82,
  unpack: 83,
  verify: 84,
  /** No sha256sum, no shasum. */
  noHash: 85,
  /** The live release is not what was installed. */
  liveDamaged: 86,
  /** Another release has this name. */
  otherRelease: 87,
  commit: 88,
  /** What was uploaded is gone: somebody swept it. */
  gone: 89,
  /** Another release there has not all the files as they were packed. */
  noCopy: 90,
} as const
