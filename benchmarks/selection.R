# Step selection models in metafor: CPU seconds and the answers, for benchmarks/selection.py.
# Usage: Rscript selection.R FOLDER   (reads FOLDER/*.csv, writes FOLDER/r.csv)
suppressMessages(library(metafor))
folder <- commandArgs(TRUE)[1]
rows <- list()
for (name in c("k20", "k37", "k50")) {
  data <- read.csv(file.path(folder, paste0(name, ".csv")))
  plain <- rma(yi, vi, data = data, method = "ML")
  fit <- selmodel(plain, type = "stepfun", steps = 0.025)
  runs <- sapply(1:9, function(i) {
    used <- system.time(for (j in 1:3) selmodel(plain, type = "stepfun", steps = 0.025))
    sum(used[1:2]) / 3
  })
  rows[[name]] <- data.frame(work = name, seconds = median(runs), a = as.numeric(logLik(fit)), b = fit$beta[1])
}
result <- do.call(rbind, rows)
result$version <- paste(R.version.string, "metafor", packageVersion("metafor"))
write.csv(result, file.path(folder, "r.csv"), row.names = FALSE)
