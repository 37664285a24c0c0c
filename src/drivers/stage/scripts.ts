// The scripts of staging, built from words. Three of them: look (folders made, leftovers swept, is it there already?),
// unpack (its standard input is the archive, so its text travels as an argument and holds no secret) and commit (links,
// environment file, rename, marker; its text travels by standard input because it holds the environment). Each can be
// run twice. What is being written lies in `.staging-<hash>.<boot>.<pid>`: nobody else writes there, and whether its
// writer still lives can be seen from the name, so there is no lock that could be left behind. A verified upload is
// `.staging-<hash>`; the release itself appears by a rename, and counts only with its record, which is written last.
import { ENV_FILE, type Layout } from '../../domain/layout.ts'
import type { ReleaseInfo } from '../../domain/release.ts'
import { quote } from '../../util/shell.ts'
import { EXIT } from './exits.ts'
import type { SharedPath } from './shared.ts'
import { VERIFY_FUNCTIONS } from './verify-script.ts'

export type ScriptContext = {
  readonly layout: Layout
  readonly info: ReleaseInfo
  /** Paths of the manifest that are not in the archive: it was taken from a host, where links into shared/ stood there. */
  readonly without: readonly string[]
  /** Shell text that ends the script when the lease is no longer ours. */
  readonly guard: string
}

/**
 * Prints `swept N`, then `complete`; or `kept` for a damaged copy that was left there; else, after `damaged` where such a
 * copy was removed, `uploaded` or `wanted`.
 */
export function lookScript(
  context: ScriptContext,
  { shared, keepDamaged }: { readonly shared: readonly SharedPath[]; readonly keepDamaged: boolean },
): string {
  return `${head(context)}
for d in "$root" "$releases" "$shared" "$state" "$state/releases"; do
  mkdir -p "$d" || exit ${EXIT.root}
done
chmod 700 "$state" || exit ${EXIT.root}
if [ -d "$current" ] && [ ! -L "$current" ]; then exit ${EXIT.currentIsFolder}; fi
rg_work
live=$(readlink "$current" 2>/dev/null); live=\${live%/}; live=\${live##*/}
swept=0
for d in "$releases"/.staging-* "$state"/work.*; do
  [ -d "$d" ] && [ "$d" != "$staging" ] && [ "$d" != "$work" ] || continue
  name=\${d##*/}
  name=\${name#.}
  case $name in *.*.*)
    pid=\${name##*.}; at=\${name%.*}; at=\${at##*.}
    case $pid in ''|*[!0-9]*) ;; *) [ "$at" = "$boot" ] && rg_alive "$pid" && continue;; esac;;
  esac
  rm -rf "$d" && swept=$((swept + 1))
done
echo "swept $swept"
if [ -f "$info" ] && [ -d "$release" ]; then
  grep -qF ${quote(`"hash":${JSON.stringify(context.info.hash)}`)} "$info" || exit ${EXIT.otherRelease}
  printf '%s' ${quote(pathLines(shared.map(({ path }) => path)))} >"$work/shared" && mkdir "$work/v" || exit ${EXIT.root}
  if [ "$(rg_sum <"$manifest" 2>/dev/null | cut -c1-64)" = "$artifact" ] && [ -f "$release/${ENV_FILE}" ] &&
    rg_verify "$release" "$manifest" "$work/v" loose "$work/shared"; then echo complete; exit 0; fi
  [ "$live" = "$id" ] && exit ${EXIT.liveDamaged}
  ${keepDamaged ? 'echo kept; exit 0' : ':'}
  rm -f "$info" && rm -rf "$release" || exit ${EXIT.root}
  echo damaged
elif [ -e "$release" ] || [ -L "$release" ]; then
  # Renamed, and stopped before its record was written: not a release yet.
  [ "$live" = "$id" ] && exit ${EXIT.liveDamaged}
  rm -rf "$release" || exit ${EXIT.root}
else rm -f "$info"
fi
if [ -d "$staging" ]; then
  rm -rf "$work/v"; mkdir "$work/v" || exit ${EXIT.root}
  ${withoutShell(context)} || exit ${EXIT.root}
  if [ "$(rg_sum <"$staging/.rollgate/manifest" 2>/dev/null | cut -c1-64)" = "$artifact" ] &&
    rg_verify "$staging" "$staging/.rollgate/manifest" "$work/v" strict "$work/without" >/dev/null; then echo uploaded; exit 0; fi
  rm -rf "$staging" || exit ${EXIT.root}
fi
echo wanted
`
}

/** Standard input is the archive. Fails with `free KILOBYTES` when it could not be unpacked. */
export function unpackScript(context: ScriptContext, decompress: readonly string[]): string {
  const tar = 'tar -x -o -m -f -'
  return `${head(context)}
writing=$staging.$boot.$$
rm -rf "$writing"
mkdir "$writing" || exit ${EXIT.root}
rg_work
cleanup() { cd /; rm -rf "$writing" "$work"; }
cd "$writing" || exit ${EXIT.root}
${decompress.length === 0 ? tar : `${decompress.map(quote).join(' ')} | ${tar}`} || {
  echo "free $(df -Pk . 2>/dev/null | awk 'NR == 2 { print $4 }')"
  exit ${EXIT.unpack}
}
if [ "$(rg_sum <.rollgate/manifest | cut -c1-64)" != "$artifact" ]; then
  echo 'the manifest is not the one that was sent'
  exit ${EXIT.verify}
fi
mkdir "$work/v" && ${withoutShell(context)} || exit ${EXIT.root}
rg_verify "$writing" "$writing/.rollgate/manifest" "$work/v" strict "$work/without" || exit ${EXIT.verify}
cd / && rm -rf "$staging" && rg_rename "$writing" "$staging" || exit ${EXIT.root}
echo uploaded
`
}

/**
 * The archive need not travel where another release of the same artifact lies on the host: its files are copied (linked
 * ones would change together when an app writes into its release), what is not of the artifact is taken out, and the
 * rest is checked as an upload is. @param donor name of a release of the same artifact
 */
export function copyScript(context: ScriptContext, donor: string): string {
  return `${head(context)}
donor=$releases/${quote(donor)}
listing=$state/releases/${quote(`${donor}.manifest`)}
[ -d "$donor" ] && [ "$(rg_sum <"$listing" 2>/dev/null | cut -c1-64)" = "$artifact" ] || exit ${EXIT.noCopy}
writing=$staging.$boot.$$
rm -rf "$writing"
rg_work
cleanup() { cd /; rm -rf "$writing" "$work"; }
cp -RPp "$donor" "$writing" 2>/dev/null || exit ${EXIT.noCopy}
rm -rf "$writing/${ENV_FILE}" "$writing/.rollgate"
mkdir "$work/v" || exit ${EXIT.root}
# Links into shared/, and what the app wrote.
rg_trim "$writing" "$listing" "$work" || exit ${EXIT.root}
mkdir "$writing/.rollgate" && cp "$listing" "$writing/.rollgate/manifest" || exit ${EXIT.root}
rg_verify "$writing" "$listing" "$work/v" strict '' >/dev/null || exit ${EXIT.noCopy}
cd / && rm -rf "$staging" && rg_rename "$writing" "$staging" || exit ${EXIT.root}
echo uploaded
`
}

/** Prints `missing N` and `replaced N` for shared paths by their place in the list, then `staged`. */
export function commitScript(context: ScriptContext, shared: readonly SharedPath[], envText: string): string {
  return `${head(context)}
rg_shared() {
  case $2 in */*) mkdir -p "./\${2%/*}" "$shared/\${2%/*}" || return 1;; esac
  if [ ! -e "$shared/$2" ] && [ ! -L "$shared/$2" ]; then
    if [ "$3" = folder ]; then mkdir "$shared/$2" || return 1; else echo "missing $1"; fi
  fi
  if [ -e "./$2" ] || [ -L "./$2" ]; then rm -rf "./$2" && echo "replaced $1" || return 1; fi
  ln -s "$shared/$2" "./$2"
}
[ ! -e "$release" ] && [ ! -L "$release" ] || exit ${EXIT.commit}
cd "$staging" || exit ${EXIT.gone}
[ -f .rollgate/manifest ] || exit ${EXIT.gone}
${shared.map((path, index) => `rg_shared ${index} ${quote(path.path)} ${path.kind} || exit ${EXIT.commit}`).join('\n')}
(umask 077 && rm -f ${ENV_FILE} && printf '%s' ${quote(envText)} >${ENV_FILE}) || exit ${EXIT.commit}
mv .rollgate/manifest "$manifest" && rmdir .rollgate || exit ${EXIT.commit}
cd / && rg_rename "$staging" "$release" || exit ${EXIT.commit}
# On disk before the record that says so.
rg_sync "$release"
printf '%s\\n' ${quote(JSON.stringify(context.info))} >"$info.part" && mv "$info.part" "$info" || exit ${EXIT.commit}
rg_sync "$info"
echo staged
`
}

/** Variables, guard, and functions that all three use. */
function head({ layout, info, guard }: ScriptContext): string {
  const words = {
    root: layout.root,
    releases: layout.releases,
    shared: layout.shared,
    current: layout.current,
    state: layout.state,
    id: info.id,
    artifact: info.artifact,
    release: layout.release(info.id),
    info: layout.info(info.id),
    manifest: layout.manifest(info.id),
    staging: layout.staging(info.hash),
  }
  return `${Object.entries(words)
    .map(([name, value]) => `${name}=${quote(value)}`)
    .join('\n')}
umask 022
LC_ALL=C; export LC_ALL
unset CDPATH TAR_OPTIONS GREP_OPTIONS GZIP ZSTD_CLEVEL POSIXLY_CORRECT
${guard}
boot=$(cut -c1-8 /proc/sys/kernel/random/boot_id 2>/dev/null) && [ -n "$boot" ] || boot=none
rg_alive() { kill -0 "$1" 2>/dev/null || [ -d "/proc/$1" ]; }
# Never into a folder that somebody else made there in the meantime.
rg_rename() { mv -T "$1" "$2" 2>/dev/null || { [ ! -e "$2" ] && [ ! -L "$2" ] && mv "$1" "$2"; }; }
rg_sync() { sync -f "$1" 2>/dev/null || sync; }
cleanup() { rm -rf "$work"; }
rg_work() {
  work=$state/work.$boot.$$
  rm -rf "$work"
  mkdir -p "$state" && mkdir -m 700 "$work" || exit ${EXIT.root}
  trap cleanup EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}
${VERIFY_FUNCTIONS}`
}

/** Writes the file that says what of the manifest is not looked for. */
function withoutShell({ without }: ScriptContext): string {
  return `printf '%s' ${quote(pathLines(without))} >"$work/without"`
}

function pathLines(paths: readonly string[]): string {
  return paths.map((path) => `./${oneLine(path)}\n`).join('')
}

function oneLine(name: string): string {
  return name.replaceAll('\n', '\u0001')
}
