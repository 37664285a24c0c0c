// Where files of ours are while we run: sources lie in their folders, what is shipped is built into one (`dist`, tools/build.mjs).

const isBuilt = !import.meta.url.endsWith('.ts')

/**
 * The file that a thread of its own starts with.
 * @param source its source, such as `new URL('./worker.ts', import.meta.url)`; it is an entry of tools/build.mjs too
 */
export function threadFile(source: URL): URL {
  return isBuilt ? new URL(source.pathname.replace(/^.*\/|\.ts$/g, '').concat('.js'), import.meta.url) : source
}

/** Something that was built along with the program; null where sources run, whatever was built of them once. */
export const builtFile = (name: string): URL | null => (isBuilt ? new URL(name, import.meta.url) : null)

/** A file of the package, from its root: `templates/systemd.service`. */
export const inPackage = (path: string): URL => new URL(isBuilt ? `../${path}` : `../../${path}`, import.meta.url)
