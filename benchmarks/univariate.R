# One effect per study in metafor: CPU seconds and the answers, for benchmarks/univariate.py.
# Usage: Rscript univariate.R FOLDER   (reads FOLDER/*.csv, writes FOLDER/r.csv)
suppressMessages(library(metafor))
folder <- commandArgs(TRUE)[1]
cpu <- function(expr, times) {
  call <- substitute(expr)
  env <- parent.frame()
  runs <- sapply(seq_len(times), function(i) {
    used <- system.time(for (j in 1:inner) eval(call, env))
    sum(used[1:2]) / inner
  })
  median(runs)
}
rows <- list()
note <- function(work, seconds, a, b) rows[[length(rows) + 1]] <<- data.frame(work, seconds, a, b)
tight <- list(threshold = 1e-12, maxiter = 1000)

bcg <- read.csv(file.path(folder, "small.csv"))
inner <- 20
seconds <- cpu(rma(yi, vi, data = bcg, test = "knha"), 15)
fit <- rma(yi, vi, data = bcg, test = "knha", control = tight)
note("small", seconds, fit$tau2, fit$se)

big <- read.csv(file.path(folder, "regression.csv"))
inner <- 1
seconds <- cpu(rma(yi, vi, mods = ~x, data = big), 1)
fit <- rma(yi, vi, mods = ~x, data = big, control = tight)
note("regression", seconds, fit$tau2, fit$se[2])

many <- as.matrix(read.csv(file.path(folder, "batch.csv")))
k <- ncol(many) / 2
used <- system.time(for (i in seq_len(nrow(many))) try(rma(many[i, 1:k], many[i, k + 1:k]), silent = TRUE))
tau2 <- sapply(seq_len(nrow(many)), function(i) {
  found <- try(rma(many[i, 1:k], many[i, k + 1:k], control = tight), silent = TRUE)
  if (inherits(found, "try-error")) NA else found$tau2
})
note("batch", sum(used[1:2]) / nrow(many), sum(tau2, na.rm = TRUE), sum(is.na(tau2)))
write.csv(data.frame(tau2), file.path(folder, "batch_r.csv"), row.names = FALSE)
result <- do.call(rbind, rows)
result$version <- paste(R.version.string, "metafor", packageVersion("metafor"))
write.csv(result, file.path(folder, "r.csv"), row.names = FALSE)
