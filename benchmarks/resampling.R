# Parametric bootstrap of correlated and hierarchical effects in metafor: CPU seconds of simulating and refitting one data
# set, and the answers on given data sets, for benchmarks/resampling.py.
# Usage: Rscript resampling.R FOLDER   (reads FOLDER/data.csv and FOLDER/draws.csv, one draw a row; writes FOLDER/r.csv)
suppressMessages(library(metafor))
folder <- commandArgs(TRUE)[1]
d <- read.csv(file.path(folder, "data.csv"))
draws <- as.matrix(read.csv(file.path(folder, "draws.csv"), header = FALSE))
v <- as.matrix(d[, grep("^v[0-9]+$", names(d))])
d$row <- seq_len(nrow(d))
fit <- function(y, ...) rma.mv(y, v, random = ~ 1 | study / row, data = d, ...)
whole <- fit(d$yi)
set.seed(1)
n <- nrow(draws)
used <- sum(system.time({
  root <- t(chol(whole$M))
  for (i in seq_len(n)) fit(whole$beta[1] + drop(root %*% rnorm(nrow(d))))
})[1:2])
rows <- lapply(seq_len(n), function(i) {
  one <- fit(draws[i, ], control = list(rel.tol = 1e-10, iter.max = 1000, eval.max = 1000))
  data.frame(beta = one$beta[1], loglik = c(logLik(one)), tau2 = sum(one$sigma2))
})
result <- do.call(rbind, rows)
result$seconds <- used / n
write.csv(format(result, digits = 15), file.path(folder, "r.csv"), row.names = FALSE)
cat(R.version.string, "metafor", as.character(packageVersion("metafor")), "\n")
