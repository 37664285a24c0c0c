// Where files of ours are while we run: sources lie in their folders, what is shipped is built into one (`dist`, tools/build.mjs).

const isBuilt = !import.meta.url.endsWith('.ts')

/**
 * The file that a thread of its own starts with.
 * @param source its source, such as `new URL('./worker.ts', import.meta.url)`; it is an entry of tools/build.mjs too
 */
export function threadFile(source: URL): URL {
  return isBuilt ? inDist(source.pathname.replace(/^.*\/|\.ts$/g, '').concat('.js')) : source
}

/** Something that was built beside the program; in a checkout of sources nothing was. */
export const inDist = (name: string): URL => new URL(isBuilt ? name : `../../dist/${name}`, import.meta.url)

/** A file of the package, from its root: `templates/systemd.service`. */
export const inPackage = (path: string): URL => new URL(isBuilt ? `../${path}` : `../../${path}`, import.meta.url)
