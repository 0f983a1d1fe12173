#!/bin/sh
# Write the files of this folder with R, and with its package data.table. They are kept; the tests do not run this.
set -eu
cd "$(dirname "$0")"
R --version | head -1
Rscript - <<'END'
orders <- data.frame(
  id = c(1L, 2L, 100000L, NA),
  customer = c("007", "O'Neil, \"Bob\"", "Zo\u00eb\nline two", NA),
  country = c("NA", "CH", "", NA),
  size = factor(c("S", NA, "L", "L")),
  count = c(3, NA, 100000, 2^53),
  price = c(0.1, NaN, 1e300, -Inf),
  ratio = c(1 / 3, 0.1 + 0.2, NA, 1e-7),
  paid = c(TRUE, NA, FALSE, TRUE),
  day = as.Date(c("2024-02-29", NA, "1969-12-31", "9999-12-31")),
  at = as.POSIXct(c("2024-02-29 13:05:06", NA, "1969-12-31 23:59:59", "2024-01-01 00:00:00"), tz = "UTC"),
  took = as.difftime(c(93600, NA, -9.5, 0), units = "secs"),
  row.names = c("a", "b", "c d", "4")
)
write.csv(orders, "orders.csv", fileEncoding = "UTF-8")
write.csv2(orders, "european.csv", row.names = FALSE, na = "", fileEncoding = "latin1")
write.table(orders[names(orders) != "at"], "orders.txt", fileEncoding = "UTF-8")
orders$customer <- sub("\n", " ", orders$customer)
orders <- orders[c(setdiff(names(orders), "at"), "at")]
write.table(orders, "orders.tsv", sep = "\t", quote = FALSE, fileEncoding = "UTF-8")

library(data.table)
cat("data.table", format(packageVersion("data.table")), "\n")
orders$at <- orders$at + 0.5
orders$big <- bit64::as.integer64(c("9007199254740993", NA, "-9007199254740993", "0"))
orders$tags <- list(c("a", "b"), NA_character_, character(), "c")
fwrite(orders, "fwrite.csv")
END
