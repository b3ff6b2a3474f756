# Permutation test and GOSH in metafor: CPU seconds and answers, for benchmarks/resampling_univariate.py.
# Usage: Rscript resampling_univariate.R FOLDER   (reads FOLDER/bcg.csv, writes FOLDER/r.csv)
suppressMessages(library(metafor))
folder <- commandArgs(TRUE)[1]
bcg <- read.csv(file.path(folder, "bcg.csv"))
rows <- list()
note <- function(work, seconds, a, b) rows[[length(rows) + 1]] <<- data.frame(work, seconds, a, b)
cpu <- function(expr) sum(system.time(expr)[1:2])

fit <- rma(yi, vi, mods = ~x, data = bcg)
set.seed(1)
iterations <- 500
used <- cpu(found <- permutest(fit, iter = iterations, progbar = FALSE))
note("permutation", used / iterations, found$pval[2], iterations)

few <- bcg[1:9, ]
tight <- list(threshold = 1e-12, maxiter = 1000)
for (method in c("REML", "DL")) {
  fit <- rma(yi, vi, data = few, method = method, control = if (method == "REML") tight else list())
  found <- gosh(fit, progbar = FALSE)
  plain <- rma(yi, vi, data = few, method = method)
  used <- cpu(gosh(plain, progbar = FALSE))
  note(paste("GOSH", method), used / nrow(found$res), sum(found$res$estimate), sum(found$res$tau2))
}
result <- do.call(rbind, rows)
result$version <- paste(R.version.string, "metafor", packageVersion("metafor"))
write.csv(result, file.path(folder, "r.csv"), row.names = FALSE)
