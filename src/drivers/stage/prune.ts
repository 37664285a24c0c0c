// Which releases stay on a host: the one `current` points to, the protected ones (where a rollback goes), the newest
// `keep` that succeeded, and those that came after the last success, at most `keep` of them. Everything else of ours goes,
// with its state files; folders that another tool made are never removed. A record goes first, so that a release which is
// half removed is no release any more; what is left of it goes next time.
import type { Layout } from '../../domain/layout.ts'
import type { ReleaseId } from '../../domain/release.ts'
import { quote } from '../../util/shell.ts'

export type PruneOptions = {
  /** How many successful releases stay. */
  readonly keep: number
  readonly protect: readonly ReleaseId[]
  /** Shell text that ends the script when the lease is no longer ours. */
  readonly guard?: string
}

/** Prints the id of each release that it removed, one a line. Status 0 unless the folders cannot be entered. */
export function pruneScript(layout: Layout, { keep, protect, guard = '' }: PruneOptions): string {
  return `releases=${quote(layout.releases)}
state=${quote(layout.state)}
current=${quote(layout.current)}
protected=${quote(` ${protect.join(' ')} `)}
keep=${Math.max(1, Math.trunc(keep))}
LC_ALL=C; export LC_ALL
unset CDPATH
${guard}
cd "$state/releases" || exit 1
live=$(readlink "$current" 2>/dev/null); live=\${live%/}; live=\${live##*/}
rg_hex='[0-9a-f][0-9a-f][0-9a-f][0-9a-f]'
# Ours, and so free of anything that a shell could mistake: r, digits, dash, eight hex digits.
rg_ours() {
  case $1 in r[0-9]*-$rg_hex$rg_hex) ;; *) return 1;; esac
  rg_number=\${1#r}; rg_number=\${rg_number%-*}
  case $rg_number in *[!0-9]*) return 1;; esac
}
rg_stays() {
  [ "$1" = "$live" ] && return 0
  case $protected in *" $1 "*) return 0;; esac
  return 1
}
rg_remove() {
  rg_stays "$1" && return
  rm -f "./$1.json" "./$1.outcome" "./$1.manifest" && rm -rf "$releases/$1" && printf '%s\\n' "$1"
}
good=0
others=0
for f in ./r*.json; do
  id=\${f#./}; id=\${id%.json}
  rg_ours "$id" || continue
  word=
  [ ! -f "./$id.outcome" ] || IFS= read -r word <"./$id.outcome"
  [ "$word" = succeeded ] || word=other
  printf '%s %s %s\\n' "$rg_number" "$id" "$word"
done | sort -rn -k 1,1 | while read -r number id word; do
  if [ "$word" = succeeded ]; then
    good=$((good + 1))
    [ "$good" -le "$keep" ] || rg_remove "$id"
  else
    others=$((others + 1))
    [ "$good" -eq 0 ] && [ "$others" -le "$keep" ] || rg_remove "$id"
  fi
done
for d in "$releases"/r*; do
  id=\${d##*/}
  rg_ours "$id" && [ -d "$d" ] && [ ! -f "./$id.json" ] && rg_remove "$id"
done
exit 0
`
}
