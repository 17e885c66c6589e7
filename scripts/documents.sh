#!/usr/bin/env bash
# Are the documents true? Reads the command lines in README and docs.
#
#   scripts/documents.sh check PROGRAM             every command and option that they name is one; takes seconds
#   scripts/documents.sh run PROGRAM [SHARED]      also types the sessions (blocks whose command lines begin with "$ ") as
#                                                  they stand, and compares what comes out with what the document shows
#
# PROGRAM is the built shrike, SHARED the folder with models/ and data/ that some sessions need (without it they are left out,
# and said). Times differ from machine to machine and the names of kernels too: numbers before "s" and "images/s", and what
# stands between commas behind "integer", are not compared. A line "..." stands for any lines. A session below a comment
# "<!-- not typed: REASON -->" is read only.
# Exit status 0: all is as it says.
set -euo pipefail
# Float sums as every x86-64 machine with AVX2 takes them (docs/reliability.md): the sessions are the same everywhere.
export DNNL_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2
cd "$(dirname "$0")/.."
[ $# -ge 2 ] || { sed -n '4,13s/^# \{0,1\}//p' "$0" >&2; exit 2; }
step=$1 program=$(realpath "$2") shared=${3:+$(realpath "$3")}
documents=(README.md README.zh-CN.md docs/*.md bench/*.md examples/shapes/README.md)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
wrong=0
complain() { echo "$*" >&2; wrong=$((wrong + 1)); }

# "FILE:LINE<tab>COMMAND" for each command line of the program: in indented blocks (continued lines joined), and in backquotes.
command_lines() {
  awk -v OFS='\t' '
    FNR == 1 { pending = "" }
    /^    / {
      line = substr($0, 5); sub(/^\$ /, "", line)
      if (pending != "") { line = pending " " line; pending = "" } else { at = FILENAME ":" FNR }
      if (line !~ /^shrike /) next
      if (line ~ /\\$/) { sub(/ *\\$/, "", line); pending = line; next }
      print at, line; next
    }
    { text = $0; while (match(text, /`shrike [^`]*`/)) {
        print FILENAME ":" FNR, substr(text, RSTART + 1, RLENGTH - 2); text = substr(text, RSTART + RLENGTH) } }
  ' "${documents[@]}"
}

help_of() {  # command -> its options, one a line, and its name's existence
  local kept=$work/help_$1
  if [ ! -e "$kept" ]; then
    "$program" "$1" --help 2>/dev/null | grep -oE -- '(^|[ ,])--?[a-z][a-z0-9-]*' | tr -d ' ,' > "$kept" || true
  fi
  cat "$kept"
}

check_words() {
  local place line words word name known
  while IFS=$'\t' read -r place line; do
    line=${line%%#*}; line=${line%%|*}; line=${line%%>*}
    read -ra words <<< "$line"
    name=${words[1]:-}
    case $name in --*) continue ;; [A-Z]* | '...' | '…' | '') continue ;; esac  # of the program itself; placeholders
    known=$(help_of "$name")
    if [ -z "$known" ]; then complain "$place: there is no command '$name'"; continue; fi
    for word in "${words[@]:2}"; do
      word=${word#[}; word=${word%%[]=,.\;)]*}
      case $word in --[a-z]*) ;; *) continue ;; esac
      grep -qx -- "$word" <<< "$known" || complain "$place: '$name' has no option '$word'"
    done
  done < <(command_lines)
}

# What must be equal: without times and kernels.
comparable() {
  sed -E -e 's/[0-9.]+ (s|images\/s)\b/# \1/g' -e 's/\((integer, [a-z0-9]+), [a-z0-9]+,/(\1, #,/' -e 's/[[:space:]]+$//'
}

# Sessions of a document: files NUMBER.commands and NUMBER.expected in a folder; a session is a block of indented lines with
# "$ ", its lines typed one after the other in one folder for the whole document.
type_sessions() {
  local document=$1 folder=$work/typed place
  place=$work/sessions
  rm -rf "$folder" "$place"
  mkdir -p "$folder" "$place"
  awk -v place="$place" '
    /^    \$ / { ++count; name = sprintf("%s/%03d", place, count); print substr($0, 7) > (name ".command")
                 printf "" > (name ".expected"); print FNR > (name ".line"); shown = 1
                 if (reason != "") print reason > (name ".skip")
                 next }
    /^<!-- not typed: / { reason = $0; sub(/^<!-- not typed: /, "", reason); sub(/ -->$/, "", reason); next }
    /^    / && shown { print substr($0, 5) > (name ".expected"); next }
    /^$/ && shown { print "" > (name ".expected"); next }
    { if (shown) reason = ""; shown = 0 }' "$document"
  local name
  # What the sessions name: the repository, and of the shared folder model and pictures.
  for name in examples docs; do ln -s "$PWD/$name" "$folder/$name"; done
  if [ -n "$shared" ]; then
    ln -s "$shared"/models/yolo11n.onnx "$shared"/data/* "$shared"/data/coco_val400/images/*.jpg "$folder" 2>/dev/null || true
  fi
  for command in "$place"/*.command; do
    [ -e "$command" ] || return 0
    local base=${command%.command} line
    line=$(cat "$command")
    if [ -e "$base.skip" ]; then
      echo "$document:$(cat "$base.line"): not typed ($(cat "$base.skip")): $line"
      continue
    fi
    if [ -z "$shared" ] && grep -qE 'yolo11n|coco_' <<< "$line"; then
      echo "$document:$(cat "$base.line"): left out, needs the shared folder: $line"
      continue
    fi
    echo "$document:$(cat "$base.line"): $line"
    (cd "$folder" && PATH="$(dirname "$program"):$PATH" bash -c "$line" > "$base.out" 2> "$base.err" < /dev/null) ||
      { complain "$document:$(cat "$base.line"): failed: $(tail -1 "$base.err")"; continue; }
    compare_output "$document:$(cat "$base.line")" "$base"
  done
}

# "..." in the document is any number of lines.
compare_output() {
  comparable < "$2.expected" | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}' > "$2.wanted"
  comparable < "$2.out" > "$2.got"
  awk -v place="$1" '
    FNR == NR { wanted[++n] = $0; next }
    { got[++m] = $0 }
    END {
      j = 1
      for (i = 1; i <= n; ++i) {
        sub(/^ +\.\.\.$/, "...", wanted[i])
        if (wanted[i] == "...") { any = 1; continue }
        if (any) { while (j <= m && got[j] != wanted[i]) ++j; any = 0 }
        if (j > m || got[j] != wanted[i]) {
          print place ": the document has\n    " wanted[i] "\nand the program printed\n    " (j > m ? "nothing more" : got[j])
          exit 1
        }
        ++j
      }
    }' "$2.wanted" "$2.got" >&2 || wrong=$((wrong + 1))
}

check_words
if [ "$step" = run ]; then
  for document in "${documents[@]}"; do type_sessions "$document"; done
fi
if [ $wrong -gt 0 ]; then echo "$wrong places where the documents are not true" >&2; exit 1; fi
echo "$(command_lines | wc -l) command lines read, all as they stand"
