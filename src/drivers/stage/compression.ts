// Which form of the archive a host can unpack.
import type { ToolFacts } from '../../domain/facts.ts'
import type { Artifact } from '../../domain/release.ts'

export function compressionFor(tools: Pick<ToolFacts, 'zstd' | 'gzip'>): Artifact['compression'] {
  return tools.zstd ? 'zstd' : tools.gzip ? 'gzip' : 'none'
}

/** The words that turn it back into a tar, reading standard input; none for a plain tar. */
export function decompressWords(compression: Artifact['compression']): readonly string[] {
  if (compression === 'none') return []
  // -q: its notes would look like errors.
  return compression === 'zstd' ? ['zstd', '-dcq'] : ['gzip', '-dc']
}
