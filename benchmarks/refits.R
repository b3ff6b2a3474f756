# Correlated and hierarchical effects with CR2 on several data sets, one after the other, for benchmarks/refits.py.
# Usage: Rscript refits.R FOLDER   (reads FOLDER/data.csv, writes FOLDER/r.csv)
suppressMessages({
  library(metafor)
  library(clubSandwich)
})
folder <- commandArgs(TRUE)[1]
every <- read.csv(file.path(folder, "data.csv"))
sets <- split(every, every$set)
found <- list()
one <- function(d) {
  d$row <- seq_len(nrow(d))
  v <- as.matrix(d[, grep("^v[0-9]+$", names(d))])
  m <- rma.mv(yi, v, random = ~ 1 | study / row, data = d)
  coef_test(m, vcov = "CR2", cluster = d$study, test = "Satterthwaite")
}
invisible(one(sets[[1]]))
seconds <- sum(system.time(found <- lapply(sets, one))[1:2]) / length(sets)
rows <- lapply(found, function(f) data.frame(seconds, estimate = f$beta, se = f$SE, df = f$df))
write.csv(format(do.call(rbind, rows), digits = 15), file.path(folder, "r.csv"), row.names = FALSE)
