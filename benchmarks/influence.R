# Leave-one-out and influence in metafor: CPU seconds and the answers, for benchmarks/influence.py.
# Usage: Rscript influence.R FOLDER   (reads FOLDER/data.csv, writes FOLDER/r.csv)
suppressMessages(library(metafor))
folder <- commandArgs(TRUE)[1]
cpu <- function(expr, times) {
  call <- substitute(expr)
  env <- parent.frame()
  median(sapply(seq_len(times), function(i) sum(system.time(eval(call, env))[1:2])))
}
rows <- list()
note <- function(work, seconds, a, b) rows[[length(rows) + 1]] <<- data.frame(work, seconds, a, b)
tight <- list(threshold = 1e-12, maxiter = 1000)
data <- read.csv(file.path(folder, "data.csv"))
mean_fit <- rma(yi, vi, data = data)
slope_fit <- rma(yi, vi, mods = ~x, data = data)
exact_mean <- rma(yi, vi, data = data, control = tight)
exact_slope <- rma(yi, vi, mods = ~x, data = data, control = tight)

out <- leave1out(exact_mean)
note("leave-one-out", cpu(leave1out(mean_fit), 5), sum(out$estimate), sum(out$tau2))
out <- influence(exact_mean)
note("influence", cpu(influence(mean_fit), 5), sum(abs(out$inf$rstudent)), sum(out$inf$cook.d))
out <- influence(exact_slope)
note("influence, moderator", cpu(influence(slope_fit), 5), sum(abs(out$inf$rstudent)), sum(out$inf$cook.d))
result <- do.call(rbind, rows)
result$version <- paste(R.version.string, "metafor", packageVersion("metafor"))
write.csv(result, file.path(folder, "r.csv"), row.names = FALSE)
