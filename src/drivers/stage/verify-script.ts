// Shell functions that compare a folder on a host with a manifest (drivers/artifact/manifest.ts): every file's SHA-256,
// kind, executable bit, link target, and nothing extra. POSIX sh with find, sed, grep, awk and sha256sum (or
// shasum): works with GNU's, busybox's and BSD's. Names are compared one a line with newline as U+0001. `sha256sum -c` is
// given only names that every implementation reads alike; names with a newline, a return or a backslash are hashed one
// by one. Careful about a full disk: a list that could not be written whole must not make a check pass.
import { EXIT } from './exits.ts'

/**
 * Defines `rg_verify FOLDER MANIFEST WORK strict|loose OUT`: status 0, or 1 and up to 20 lines that say what differs. WORK
 * is an empty folder. OUT is a file of `./path` lines, or nothing: what lies there is not looked at. `loose` is for a
 * release in use: links into `$shared` stand where something else may have been, and files that came later (an app's
 * own caches) are not counted as damage. `rg_linked TREE` prints those links' paths from a list that `rg_tree` made.
 * `rg_trim FOLDER MANIFEST WORK` removes what is not in the manifest.
 */
export const VERIFY_FUNCTIONS: string = String.raw`
if command -v sha256sum >/dev/null 2>&1; then rg_sum() { sha256sum "$@"; }
elif command -v shasum >/dev/null 2>&1; then rg_sum() { shasum -a 256 "$@"; }
else echo 'neither sha256sum nor shasum is here' >&2; exit ${EXIT.noHash}
fi

rg_lines() { tr '\n\000' '\001\n' | sed "s/^/$1 /"; }

rg_found() { find . -path ./.rollgate -prune -o ! -path ./.rollgate.env "$@" -print0; }

rg_tree() (
  cd "$1" || exit 1
  rg_found -type d -perm -755 ! -perm -020 ! -perm -002 | rg_lines d | grep -vx 'd \.'
  rg_found -type f -perm -755 ! -perm -020 ! -perm -002 | rg_lines x
  rg_found -type f -perm -644 ! -perm -020 ! -perm -002 ! -perm -100 ! -perm -010 ! -perm -001 | rg_lines f
  rg_found ! -type l \
    ! \( -type d -perm -755 ! -perm -020 ! -perm -002 \) \
    ! \( -type f -perm -755 ! -perm -020 ! -perm -002 \) \
    ! \( -type f -perm -644 ! -perm -020 ! -perm -002 ! -perm -100 ! -perm -010 ! -perm -001 \) | rg_lines '?'
  find . -path ./.rollgate -prune -o -type l -exec sh -c '
    for l do t=$(readlink "$l" && printf .) || exit 1; printf "%s\002%s\0" "$l" "\${t%?.}"; done
  ' sh {} + | rg_lines l
)

rg_minus() {
  if [ -s "$2" ]; then awk 'NR == FNR { seen[$0]; next } !($0 in seen)' "$2" "$1"; else cat "$1"; fi
}

rg_without() {
  awk 'NR == FNR { out[$0]; next }
    { p = substr($0, index($0, "./")); i = index(p, "\002"); if (i) p = substr(p, 1, i - 1)
      for (o in out) if (p == o || index(p, o "/") == 1) next
      print }' "$1" "$2"
}

rg_linked() {
  RG_SHARED=$(printf '%s' "$shared" | tr '\n' '\001') awk '
    /^l / { i = index($0, "\002"); p = substr($0, 5, i - 5); if (substr($0, i + 1) == ENVIRON["RG_SHARED"] "/" p) print "./" p }' "$1"
}

rg_trim() {
  rg_tree "$1" >"$3/have" && sed -e 1d -e 's/^\([fx]\) [0-9a-f]* [0-9]* /\1 /' "$2" >"$3/want" || return 1
  rg_minus "$3/have" "$3/want" >"$3/extra" || return 1
  rg_arrow=$(printf '\002')
  while IFS= read -r rg_line; do
    rg_line=\${rg_line#? ./}
    rg_name=$(printf '%s.' "\${rg_line%%"$rg_arrow"*}" | tr '\001' '\n')
    rm -rf "$1/\${rg_name%.}" || return 1
  done <"$3/extra"
}

rg_verify() {
  rg_odd=$(printf '[\\\001\r]')
  rg_tree "$1" >"$3/have" || return 1
  : >"$3/without" || return 1
  if [ -n "$5" ]; then cat "$5" >"$3/without" || return 1; fi
  if [ "$4" = loose ]; then rg_linked "$3/have" >>"$3/without" || return 1; fi
  if [ -s "$3/without" ]; then rg_without "$3/without" "$2" >"$3/list" || return 1
  else cat "$2" >"$3/list" || return 1
  fi
  sed -e 1d -e 's/^\([fx]\) [0-9a-f]* [0-9]* /\1 /' "$3/list" >"$3/want" || return 1
  rg_minus "$3/want" "$3/have" >"$3/missing" || return 1
  if [ "$4" = strict ]; then rg_minus "$3/have" "$3/want" >"$3/extra" || return 1
  else : >"$3/extra"
  fi
  if [ -s "$3/missing" ] || [ -s "$3/extra" ]; then
    sed 's/^/missing: /' "$3/missing" | head -n 10
    sed 's/^/unexpected: /' "$3/extra" | head -n 10
    return 1
  fi
  grep '^[fx] ' "$3/list" | grep -v "$rg_odd" | sed 's/^[fx] \([0-9a-f]*\) [0-9]* /\1  /' >"$3/sums" || return 1
  grep '^[fx] ' "$3/list" | grep "$rg_odd" >"$3/odd"
  if [ "$(($(wc -l <"$3/sums") + $(wc -l <"$3/odd")))" -ne "$(grep -c '^[fx] ' "$3/list")" ]; then
    echo 'the list of files could not be written'
    return 1
  fi
  if [ -s "$3/sums" ]; then
    (cd "$1" && rg_sum -c "$3/sums") >"$3/out" 2>"$3/err"
    if [ "$?" -ne 0 ] || [ "$(grep -c ': OK$' "$3/out")" -ne "$(wc -l <"$3/sums")" ]; then
      cat "$3/out" "$3/err" | grep -v ': OK$' | sed 's/^/content: /' | head -n 20
      return 1
    fi
  fi
  while IFS= read -r rg_line; do
    rg_hash=\${rg_line#? }
    rg_name=$(printf './%s.' "\${rg_line#*./}" | tr '\001' '\n')
    rg_got=$(rg_sum <"$1/\${rg_name%.}") || return 1
    if [ "\${rg_got%% *}" != "\${rg_hash%% *}" ]; then printf 'content: %s\n' "\${rg_line#*./}"; return 1; fi
  done <"$3/odd"
  return 0
}
`.replaceAll('\\${', '${')
