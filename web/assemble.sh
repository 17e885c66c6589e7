#!/bin/sh
# assemble.sh FOLDER MODULE.wasm PAGE.html   puts the parts of the page into one file: a line @part@ of page.html
# stands for the file.
set -eu
folder=$1 module=$2 page=$3
while IFS= read -r line; do
  case $line in
    @style@) cat "$folder/page.css" ;;
    @worker@) cat "$folder/worker.js" ;;
    @module@) base64 -w 0 "$module"; echo ;;
    @script@) cat "$folder/draw.js" "$folder/page.js" ;;
    *) printf '%s\n' "$line" ;;
  esac
done < "$folder/page.html" > "$page.part"
mv "$page.part" "$page"
