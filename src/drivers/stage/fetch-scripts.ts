// The two scripts that read a release on a host: one describes it, one sends its files. Both change nothing of it.
import { ENV_FILE, type Layout } from '../../domain/layout.ts'
import type { Artifact, ReleaseInfo } from '../../domain/release.ts'
import { quote } from '../../util/shell.ts'
import { VERIFY_FUNCTIONS } from './verify-script.ts'

export const FETCH_EXIT = { notWhole: 71, noBase64: 72 } as const

const HEAD = `umask 077
LC_ALL=C; export LC_ALL
unset CDPATH TAR_OPTIONS GREP_OPTIONS GZIP ZSTD_CLEVEL POSIXLY_CORRECT
`

/**
 * Prints `shared N`, `manifest N`, N lines `d ./path` or `f ./path` (a folder or a file behind a link into shared/; newline
 * as U+0001), N lines of the manifest, and the environment file to the end.
 */
export function describeScript(layout: Layout, info: ReleaseInfo): string {
  const words = {
    release: layout.release(info.id),
    shared: layout.shared,
    state: layout.state,
    manifest: layout.manifest(info.id),
    info: layout.info(info.id),
  }
  return `${Object.entries(words)
    .map(([name, value]) => `${name}=${quote(value)}`)
    .join('\n')}
${HEAD}${VERIFY_FUNCTIONS}
[ -f "$info" ] && [ -d "$release" ] && [ -f "$release/${ENV_FILE}" ] || { echo 'it is not there'; exit ${FETCH_EXIT.notWhole}; }
grep -qF ${quote(`"hash":${JSON.stringify(info.hash)}`)} "$info" || { echo 'it is another release'; exit ${FETCH_EXIT.notWhole}; }
work=$state/fetch.$$
trap 'rm -rf "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
rm -rf "$work"; mkdir "$work" || exit 1
rg_verify "$release" "$manifest" "$work" loose '' || exit ${FETCH_EXIT.notWhole}
rg_linked "$work/have" >"$work/linked" || exit 1
echo "shared $(($(wc -l <"$work/linked")))"
echo "manifest $(($(wc -l <"$manifest")))"
while IFS= read -r line; do
  name=$(printf '%s.' "$line" | tr '\\001' '\\n')
  if [ -d "$release/\${name%.}" ]; then printf 'd %s\\n' "$line"; else printf 'f %s\\n' "$line"; fi
done <"$work/linked"
cat "$manifest" "$release/${ENV_FILE}"
`
}

/** Prints the release's files as a tar in base64, without line ends. Its environment file stays out. */
export function archiveScript(layout: Layout, info: ReleaseInfo, compression: Artifact['compression']): string {
  const compress = compression === 'zstd' ? 'zstd -1cq' : compression === 'gzip' ? 'gzip -1c' : 'cat'
  return `${HEAD}if command -v base64 >/dev/null 2>&1; then rg_text() { base64; }
elif command -v openssl >/dev/null 2>&1; then rg_text() { openssl base64; }
elif command -v perl >/dev/null 2>&1; then rg_text() { perl -MMIME::Base64 -e 'binmode STDIN; local $/ = \\57; print encode_base64($_) while <STDIN>'; }
else echo 'neither base64, openssl nor perl is here' >&2; exit ${FETCH_EXIT.noBase64}
fi
cd ${quote(layout.release(info.id))} || exit 1
set --
for f in ./* ./.[!.]* ./..?*; do
  [ -e "$f" ] || [ -L "$f" ] || continue
  [ "$f" = ./${ENV_FILE} ] || set -- "$@" "$f"
done
[ "$#" -gt 0 ] || set -- -T /dev/null
tar -cf - "$@" | ${compress} | rg_text | tr -d '\\n'
echo
`
}
