#!/bin/sh
# Innermost loops of a disassembly that multiply: instructions, of them multiplications, and accesses to the stack.
#   aarch64-linux-gnu-objdump -d --no-show-raw-insn -C OBJECT | scripts/inner_loops.sh
set -eu
awk '
  function number(hex,   value, i) {
    for (i = 1; i <= length(hex); ++i) value = value * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
    return value
  }
  /^[0-9a-f]+ <.*>:$/ { count = 0; inner = -1; next }
  /^ +[0-9a-f]+:\t/ {
    address = $1; sub(":", "", address)
    at[count] = number(address); text[count] = $0; ++count
    if ($2 !~ /^(b\.[a-z]+|cbn?z)$/) next
    for (i = 3; i <= NF; ++i) if ($i ~ /^[0-9a-f]+$/) { target = number($i); break }
    if (target >= at[count - 1] || target < at[0] || target <= inner) next
    inner = at[count - 1]
    total = products = stack = 0
    for (i = 0; i < count; ++i) {
      if (at[i] < target) continue
      ++total
      if (text[i] ~ /\t(sdot|smlal2?)\t/) ++products
      if (text[i] ~ /\[sp/) ++stack
    }
    if (products > 0) print total " instructions, " products " multiplications, " stack " on the stack"
  }'
