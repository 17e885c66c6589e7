#!/bin/sh
# Says which tests of a ctest run did not run and why, one line for each group and reason. Reads the JUnit file that
# ctest --output-junit wrote.
set -eu
awk '
  /<testcase / {
    name = $0; sub(/.*<testcase name="/, "", name); sub(/".*/, "", name)
    group = name; sub(/\..*/, "", group)
    skipped = 0; reason = ""
  }
  /<skipped|status="notrun"|status="disabled"/ { skipped = 1 }
  # What a test says when it skips: the line after "file:line: Skipped".
  expect_reason { reason = $0; expect_reason = 0 }
  /: Skipped$/ { expect_reason = 1 }
  /<\/testcase>/ {
    if (skipped) {
      gsub(/&apos;/, "\x27", reason); gsub(/&quot;/, "\"", reason); gsub(/&amp;/, "\\&", reason)
      sub(/ \(set SHRIKE_SHARED.*/, "", reason)
      # One line for all files of the shared folder.
      sub(/shared\/.*/, "shared (set SHRIKE_SHARED to the folder that holds it)", reason)
      if (reason == "") reason = "no reason given"
      ++count[group ": " reason]; ++total
    }
  }
  END {
    if (total == 0) { print "No test was skipped."; exit }
    print total " tests were skipped:"
    for (line in count) {
      split(line, part, ": ")
      printf "  %-10s %4d  %s\n", part[1], count[line], substr(line, length(part[1]) + 3) | "sort"
    }
  }' "$1"
