// `setup --adopt`: a `current` that is a real folder becomes a release of its own, and `current` a link to it. Between
// the two renames there is an instant without `current`; signals are held off so that it stays an instant, and a link
// that cannot be made puts the folder back. Processes that run in the folder keep running: it is the same folder.
import type { Layout } from '../../domain/layout.ts'
import { quote } from '../../util/shell.ts'

export const ADOPT_EXIT = { notMovable: 91, otherFileSystem: 92 } as const

/** Prints `adopted NAME`, or `nothing` where `current` is a link or missing. Can be run again. */
export function adoptCurrent(layout: Layout, guard = ''): string {
  return `releases=${quote(layout.releases)}
current=${quote(layout.current)}
state=${quote(layout.state)}
umask 022
LC_ALL=C; export LC_ALL
unset CDPATH
${guard}
if [ -L "$current" ] || [ ! -d "$current" ]; then echo nothing; exit 0; fi
mkdir -p "$releases" "$state/releases" && chmod 700 "$state" || exit ${ADOPT_EXIT.notMovable}
rg_disk() { df -Pk "$1" | awk 'NR == 2 { print $1 }'; }
# A folder that is a disk of its own cannot be renamed, and copying a live one would not be the same folder.
[ "$(rg_disk "$current")" = "$(rg_disk "$releases")" ] || exit ${ADOPT_EXIT.otherFileSystem}
n=1
while [ -e "$releases/adopted-$n" ] || [ -L "$releases/adopted-$n" ]; do n=$((n + 1)); done
trap '' HUP INT TERM
mv "$current" "$releases/adopted-$n" || exit ${ADOPT_EXIT.notMovable}
if ! ln -s "$releases/adopted-$n" "$current"; then
  mv "$releases/adopted-$n" "$current"
  exit ${ADOPT_EXIT.notMovable}
fi
echo "adopted adopted-$n"
`
}
