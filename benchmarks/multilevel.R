# Several effects per study in metafor and clubSandwich: CPU seconds and answers, for benchmarks/multilevel.py.
# Usage: Rscript multilevel.R FOLDER RHO WORK...   (reads FOLDER/WORK.csv, writes FOLDER/r.csv)
suppressMessages({
  library(metafor)
  library(clubSandwich)
})
arguments <- commandArgs(TRUE)
folder <- arguments[1]
rho <- as.numeric(arguments[2])
cpu <- function(job, times) {
  median(sapply(seq_len(times), function(i) sum(system.time(job())[1:2])))
}
models <- list(
  three = function(d) rma.mv(yi, vi, random = ~ 1 | study / row, data = d),
  big = function(d) rma.mv(yi, vi, random = ~ 1 | study / row, data = d, sparse = TRUE),
  crossed = function(d) {
    rma.mv(yi, vi, random = list(~ 1 | study, ~ 1 | outcome, ~ 1 | row), data = d, sparse = TRUE)
  },
  berkey = function(d) {
    blocks <- lapply(split(d, d$study), function(s) diag(s$vi) + s$covariance[1] * (1 - diag(2)))
    rma.mv(yi, bldiag(blocks), mods = ~ outcome - 1, random = ~ outcome | study, struct = "UN", data = d)
  },
  che = function(d) {
    v <- vcalc(vi, cluster = study, obs = row, rho = rho, data = d)
    m <- rma.mv(yi, v, random = ~ 1 | study / row, data = d, sparse = TRUE)
    coef_test(m, vcov = "CR2", cluster = d$study, test = "Satterthwaite")
  }
)
answers <- function(found) {
  if (inherits(found, "rma")) c(found$beta, found$se) else c(found$beta, found$SE, found$df)
}
rows <- lapply(arguments[-(1:2)], function(work) {
  d <- read.csv(file.path(folder, paste0(work, ".csv")))
  d$row <- seq_len(nrow(d))
  found <- NULL
  seconds <- cpu(function() found <<- models[[work]](d), if (work %in% c("three", "berkey")) 31 else 1)
  data.frame(work, seconds, answers = paste(format(answers(found), digits = 15, trim = TRUE), collapse = " "))
})
result <- do.call(rbind, rows)
result$version <- paste(
  R.version.string, "metafor", packageVersion("metafor"), "clubSandwich", packageVersion("clubSandwich")
)
write.csv(result, file.path(folder, "r.csv"), row.names = FALSE)
