# Effect sizes of many rows by metafor's escalc: CPU seconds and sums, for benchmarks/measures.py.
# Usage: Rscript measures.R FOLDER ROWS MEASURE...   (reads FOLDER/*.bin, writes FOLDER/r.csv)
suppressMessages(library(metafor))
arguments <- commandArgs(TRUE)
folder <- arguments[1]
rows <- as.integer(arguments[2])
column <- function(name) readBin(file.path(folder, paste0(name, ".bin")), "double", rows)
needed <- list(
  SMD = c("m1i", "m2i", "sd1i", "sd2i", "n1i", "n2i"),
  ROM = c("m1i", "m2i", "sd1i", "sd2i", "n1i", "n2i"),
  OR = c("ai", "bi", "ci", "di"),
  ZCOR = c("ri", "ni")
)
result <- do.call(rbind, lapply(arguments[-(1:2)], function(measure) {
  columns <- setNames(lapply(needed[[measure]], column), needed[[measure]])
  seconds <- sapply(1:3, function(i) {
    sum(system.time(found <<- do.call(escalc, c(list(measure = measure), columns)))[1:2])
  })
  data.frame(measure, seconds = median(seconds), y = sum(found$yi), v = sum(found$vi))
}))
result$version <- paste(R.version.string, "metafor", packageVersion("metafor"))
options(digits = 17)
write.csv(result, file.path(folder, "r.csv"), row.names = FALSE)
