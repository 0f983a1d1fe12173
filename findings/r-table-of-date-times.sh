#!/bin/sh
# R's read.table shifts a table that its own write.table wrote, without a word, where it has date-times. (Needs Node 18 or newer.)
#
# One would expect `read.table(file, header = TRUE)` to read what `write.table(frame, file, row.names = FALSE)` wrote. By
# default values are separated by a blank, and quotes stand around texts and factors alone: a date-time is written as two
# values, 2024-02-29 13:05:06. Each row then has one value more than the header, which read.table takes for row names. The
# ids become row names, the days become ids, and the times become date-times; nothing is reported. With row names in the
# file too, rows have two values more, and read.table refuses it. `sep = "\t"` on both sides, or text, keeps them.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent webr@0.5.4 >/dev/null 2>&1
cat > finding.mjs <<'END'
import { WebR } from "webr";

const r = new WebR();
await r.init();
const text = await r.evalRString(`
visits <- data.frame(id = c(7L, 8L), at = as.POSIXct(c("2024-02-29 13:05:06", "2024-03-01 08:00:00"), tz = "UTC"))
options(warn = 2)
write.table(visits, "visits.txt", row.names = FALSE)
back <- read.table("visits.txt", header = TRUE)
write.table(visits, "visits.tsv", row.names = FALSE, sep = "\t")
tabs <- read.table("visits.tsv", header = TRUE, sep = "\t")
shown <- function(frame) capture.output(write.csv(frame))
paste(c(R.version.string, "---", shown(visits), "---", readLines("visits.txt"), "---", shown(back), "---", shown(tabs)),
      collapse = "\n")
`);
const [version, given, written, read, tabs] = text.split("\n---\n");
console.log(`${version}, as WebAssembly in webr 0.5.4`);
for (const [what, value] of Object.entries({
  "the table": given,
  "write.table writes": written,
  "read.table reads, without a warning": read,
  "with sep = \"\\t\" on both sides": tabs,
})) console.log(`${what}:\n${value.replace(/^/gm, "  ")}`);
const shifted = '"","id","at"\n"7","2024-02-29","13:05:06"\n"8","2024-03-01","08:00:00"';
const holds = read === shifted && tabs === given.replace(/"1",7,(.*)\n"2",8,(.*)/, '"1",7,"$1"\n"2",8,"$2"');
console.log(holds ? "as found" : "no longer as found");
process.exit(holds ? 0 : 1);
END
node finding.mjs
