# Figures of metafor's rma.mv() for tests/test_multilevel_reference.py: Rscript multilevel.R > multilevel.json
suppressPackageStartupMessages({library(metafor); library(metadat); library(jsonlite)})
tight <- list(optimizer = "nlminb", rel.tol = 1e-13, eval.max = 20000, iter.max = 10000)
bfgs <- list(optimizer = "optim", optmethod = "BFGS", reltol = 1e-14, maxit = 20000)
loose <- list(optimizer = "nlminb", eval.max = 20000, iter.max = 10000)

berkey <- dat.berkey1998[c("trial", "year", "outcome", "yi", "vi")]
berkey$year <- berkey$year - 1985
berkey.V <- vcalc(vi = 1, cluster = author, rvars = c(v1i, v2i), data = dat.berkey1998)
konst <- dat.konstantopoulos2011[c("district", "school", "year", "yi", "vi")]
konst <- konst[konst$district %in% c(11, 12, 18, 27, 56, 58, 71), ]

# made up: 14 studies of 2 to 4 effects with three outcomes, waves, irregular times, places and related species
set.seed(20)
study <- rep(sprintf("s%02d", 1:14), times = rep(c(2, 3, 4), length.out = 14))
k <- length(study)
made <- data.frame(study, es = sprintf("e%02d", 1:k), lab = sample(sprintf("l%d", 1:5), k, TRUE))
place <- ave(seq_len(k), study, FUN = seq_along)
made$outcome <- c("a", "b", "c")[(place + as.integer(factor(study))) %% 3 + 1]
made$wave <- place
made$time <- c(0.5, 1, 2.5, 4)[place]
made$place <- sprintf("p%d", sample(1:12, k, TRUE))
made$region <- ifelse(study < "s08", "north", "south")
made$species <- sprintf("t%d", sample(1:7, k, TRUE))
made$one <- "all"
made$x <- round(rnorm(k), 2)
made$z <- round(runif(k), 2)
made$vi <- round(runif(k, .01, .08), 4)
root <- matrix(rnorm(49), 7)
A <- round(tcrossprod(root) / 7 + diag(seq(.2, 1.4, .2)) + .3, 4)
dimnames(A) <- list(sprintf("t%d", 1:7), sprintf("t%d", 1:7))
at <- matrix(runif(24, 0, 10), 12)
D <- round(as.matrix(dist(at)), 4)
dimnames(D) <- list(sprintf("p%d", 1:12), sprintf("p%d", 1:12))
u <- setNames(rnorm(14, 0, .3), unique(study))
s <- setNames(drop(t(chol(A)) %*% rnorm(7, 0, .2)), rownames(A))
g <- setNames(drop(t(chol(exp(-D / 4))) %*% rnorm(12, 0, .3)), rownames(D))
w <- setNames(rnorm(14, 0, .25), unique(study))
l <- setNames(rnorm(5, 0, .2), sprintf("l%d", 1:5))
made$yi <- round(.3 + .2 * made$x + u[made$study] + s[made$species] + g[made$place] + w[made$study] * made$x +
  l[made$lab] + rnorm(k, 0, .15) + (made$outcome == "b") * .2 + rnorm(k) * sqrt(made$vi), 4)
made.V <- round(vcalc(vi, cluster = study, obs = es, rho = .5, data = made), 8)
made.F <- round(made.V + .002 * outer(made$x, made$x) + diag(.002, k), 8)

num <- function(x) { x <- tryCatch(unname(as.vector(unlist(x))), error = function(e) NULL); ifelse(is.finite(x), x, NA) }
parts <- function(r) list(sigma2 = if (r$withS) num(r$sigma2), tau2 = if (r$withG) num(r$tau2),
  rho = if (r$withG) num(r$rho), gamma2 = if (r$withH) num(r$gamma2), phi = if (r$withH) num(r$phi))
tryit <- function(e) tryCatch(suppressWarnings(e), error = function(x) list(error = conditionMessage(x)))
blups <- function(r) lapply(tryit(ranef(r)), function(d) list(names = rownames(d), value = num(d[[1]]), se = num(d[[2]])))

fitted_of <- function(r, cluster) {
  a <- tryit(rstandard(r, cluster = cluster)); b <- tryit(rstudent(r, cluster = cluster, reestimate = FALSE))
  list(beta = as.list(setNames(num(r$beta), rownames(r$beta))), se = num(r$se), zval = num(r$zval), pval = num(r$pval),
    ci_lb = num(r$ci.lb), ci_ub = num(r$ci.ub), vb = unname(r$vb), QE = r$QE, QEp = r$QEp, QM = r$QM, QMp = r$QMp,
    logLik = as.numeric(logLik(r)), parts = parts(r), ddf = num(r$ddf),
    fit_stats = setNames(lapply(c("ML", "REML"), function(m) as.list(r$fit.stats[[m]])), c("ML", "REML")),
    fitted = num(fitted(r)), resid = num(resid(r)), pearson = num(residuals(r, type = "pearson")),
    cholesky = num(residuals(r, type = "cholesky")),
    rstandard = list(se = num(a$obs$se), X2 = num(a$cluster$X2), cluster = rownames(a$cluster), slab = as.character(a$cluster$slab)),
    rstudent = list(resid = num(b$obs$resid), se = num(b$obs$se), X2 = num(b$cluster$X2)),
    hat = num(hatvalues(r)), weights = num(weights(r)), rowsum = num(tryit(weights(r, type = "rowsum"))),
    cook = num(tryit(cooks.distance(r, reestimate = FALSE))), blups = blups(r))
}
slow <- is.na(match("quick", commandArgs(TRUE)))  # "quick": without confint(), profile() and refits
limits <- function(r) {
  r$control <- loose
  out <- list()
  add <- function(...) tryit({ci <- confint(r, ..., control = list(tol = 1e-6)); m <- ci$random
    list(num(m[1, ]), ub.sign = ci$ub.sign, lb.sign = ci$lb.sign)})
  if (r$withS) out$sigma2 <- lapply(which(!r$vc.fix$sigma2), function(i) add(sigma2 = i))
  if (r$withG) { out$tau2 <- lapply(which(!r$vc.fix$tau2), function(i) add(tau2 = i))
    out$rho <- lapply(which(!r$vc.fix$rho), function(i) add(rho = i)) }
  if (r$withH) { out$gamma2 <- lapply(which(!r$vc.fix$gamma2), function(i) add(gamma2 = i))
    out$phi <- lapply(which(!r$vc.fix$phi), function(i) add(phi = i)) }
  out
}
args_of <- function(call) {
  a <- list()
  if (grepl("berkey.V", call)) a$V <- "berkey.V"
  for (n in c("made.V", "made.F")) if (grepl(n, call, fixed = TRUE)) a$V <- n
  if (grepl("= A)", call, fixed = TRUE)) a$R <- "A"
  if (grepl("list(D)", call, fixed = TRUE)) a$dist <- "D"
  a
}
cases <- list(); fits <- list()
run <- function(id, data, call, ci = FALSE, deleted = FALSE) {
  for (control in c("tight", "bfgs", "loose")) {  # nlminb at a tight tolerance may report false convergence
    text <- sub(")$", paste0(", control = ", control, ")"), call)
    r <- tryCatch(suppressWarnings(eval(parse(text = text))), error = function(e) conditionMessage(e))
    if (!is.character(r)) break
  }
  case <- list(id = id, data = data, call = call, control = control, args = args_of(call))
  if (is.character(r)) { case$error <- r } else {
    cluster <- if (data == "berkey") berkey$trial else if (data == "konst") konst$district else made$study
    fits[[id]] <<- r
    case$out <- fitted_of(r, cluster)
    if (ci && slow) case$out$confint <- limits(r)
    if (deleted && slow) { r$control <- loose; b <- tryit(rstudent(r, cluster = cluster)); case$out$refitted <- list(resid = num(b$obs$resid), se = num(b$obs$se), X2 = num(b$cluster$X2)) }
  }
  cases[[length(cases) + 1]] <<- case
  message(id, " ", control, if (is.character(r)) paste(" :", r))
}
call <- function(...) paste0("rma.mv(", paste(..., sep = ", "), ")")
run("full V null/ML", "made", call("yi, made.F", "random = ~1 | study", "data = made", 'method = "ML"'))
for (m in c("REML", "ML")) {
  q <- sprintf('method = "%s"', m)
  run(paste0("crossed/", m), "made", call("yi, vi, mods = ~x", "random = list(~1 | study/es, ~1 | lab)", "data = made", q), ci = m == "REML", deleted = m == "REML")
  run(paste0("full V/", m), "made", call("yi, made.F, mods = ~x + z", "random = ~1 | study", "data = made", q), ci = m == "ML")
  run(paste0("block V/", m), "made", call("yi, made.V, mods = ~x", "random = ~1 | study/es", "data = made", q), deleted = m == "REML")
  for (st in c("CS", "HCS", "UN", "DIAG", "ID"))
    run(paste0(st, "/", m), "made", call("yi, made.V, mods = ~outcome", "random = ~outcome | study", sprintf('struct = "%s"', st), "data = made", q), ci = m == "REML" && st %in% c("CS", "UN"))
  for (st in c("AR", "HAR"))
    run(paste0(st, "/", m), "made", call("yi, vi, mods = ~x", "random = ~wave | study", sprintf('struct = "%s"', st), "data = made", q), ci = m == "REML")
  run(paste0("CAR/", m), "made", call("yi, vi, mods = ~x", "random = ~time | study", 'struct = "CAR"', "data = made", q), ci = m == "REML")
  for (st in c("SPEXP", "SPGAU", "SPLIN", "SPRAT", "SPSPH"))
    run(paste0(st, "/", m), "made", call("yi, vi", "random = ~place | one", sprintf('struct = "%s"', st), "dist = list(D)", "data = made", q), ci = m == "REML" && st == "SPEXP")
  run(paste0("berkey UN/", m), "berkey", call("yi, berkey.V, mods = ~0 + outcome", "random = ~outcome | trial", 'struct = "UN"', "data = berkey", q), ci = TRUE, deleted = m == "REML")
  run(paste0("GEN/", m), "made", call("yi, vi, mods = ~x", "random = ~x | study", 'struct = "GEN"', "data = made", q), ci = m == "REML")
  run(paste0("GDIAG/", m), "made", call("yi, vi, mods = ~x", "random = ~x | study", 'struct = "GDIAG"', "data = made", q))
}
run("SPEXP region", "made", call("yi, vi", "random = ~place | region", 'struct = "SPEXP"', "dist = list(D)", "data = made"))
run("two terms", "made", call("yi, vi, mods = ~x", "random = list(~outcome | study, ~wave | lab)", 'struct = c("HCS", "AR")', "data = made"))
run("two terms and an intercept", "made", call("yi, made.V", "random = list(~outcome | study, ~wave | lab, ~1 | species)", 'struct = c("DIAG", "CS")', "data = made"))
run("two slopes", "made", call("yi, vi, mods = ~x + z", "random = ~x + z | study", 'struct = "GEN"', "data = made"))
run("slopes beside terms", "made", call("yi, vi, mods = ~x", "random = list(~x | study, ~1 | lab)", 'struct = "GEN"', "data = made"))
for (s in c("none", "cor", "cor0", "cov0"))
  run(paste0("Rscale/", s), "made", call("yi, vi, mods = ~x", "random = list(~1 | study, ~1 | species)", "R = list(species = A)", sprintf('Rscale = "%s"', s), "data = made"), ci = s == "cor")
run("R in three", "made", call("yi, made.V", "random = list(~1 | study, ~1 | es, ~1 | species)", "R = list(species = A)", "data = made"))
run("given sigma2", "made", call("yi, vi", "random = ~1 | study/es", "sigma2 = c(0.05, 0.02)", "data = made"))
run("part sigma2", "made", call("yi, vi", "random = list(~1 | study, ~1 | lab, ~1 | es)", "sigma2 = c(NA, 0.02, NA)", "data = made"), ci = TRUE)
run("HCS part", "made", call("yi, vi", "random = ~outcome | study", 'struct = "HCS"', "tau2 = c(NA, 0.1, NA)", "data = made"))
run("HCS rho", "made", call("yi, vi", "random = ~outcome | study", 'struct = "HCS"', "rho = 0.3", "data = made"))
run("UN part rho", "made", call("yi, vi", "random = ~outcome | study", 'struct = "UN"', "rho = c(NA, 0.2, NA)", "data = made"), ci = TRUE)
run("UN part tau2", "made", call("yi, vi", "random = ~outcome | study", 'struct = "UN"', "tau2 = c(0.1, NA, 0.2)", "rho = c(NA, 0.2, 0.5)", "data = made", 'method = "ML"'))
run("CS all", "made", call("yi, vi, mods = ~x", "random = ~outcome | study", "tau2 = 0.1", "rho = 0.4", "data = made"))
run("two given", "made", call("yi, vi", "random = list(~outcome | study, ~wave | lab)", 'struct = c("CS", "AR")', "rho = 0.6", "gamma2 = 0.05", "phi = 0.2", "data = made"))
run("SPEXP range", "made", call("yi, vi", "random = ~place | one", 'struct = "SPEXP"', "rho = 3", "dist = list(D)", "data = made"))
run("GEN given", "made", call("yi, vi, mods = ~x", "random = ~x | study", 'struct = "GEN"', "tau2 = c(0.1, 0.05)", "rho = 0.3", "data = made"))
run("GEN part", "made", call("yi, vi, mods = ~x", "random = ~x | study", 'struct = "GEN"', "rho = 0.3", "data = made"))
run("GDIAG part", "made", call("yi, vi, mods = ~x", "random = ~x | study", 'struct = "GDIAG"', "tau2 = c(NA, 0.05)", "data = made"))
run("weights", "made", call("yi, made.V, mods = ~x", "W = 1", "random = ~1 | study/es", "data = made"))
run("t contain", "made", call("yi, made.V, mods = ~x", "random = ~1 | study/es", "data = made", 'test = "t"', 'dfs = "contain"'))
run("konst", "konst", call("yi, vi, mods = ~year", "random = ~1 | district/school", "data = konst"), ci = TRUE, deleted = TRUE)

lrt <- function(a, b) { t <- tryit(anova(fits[[a]], fits[[b]])); list(full = a, reduced = b, LRT = t$LRT, df = t$parms.f - t$parms.r, pval = t$pval) }
tests <- list(lrt("UN/REML", "HCS/REML"), lrt("HCS/REML", "CS/REML"), lrt("UN/ML", "ID/ML"), lrt("HAR/ML", "AR/ML"),
  lrt("GEN/REML", "GDIAG/REML"), lrt("GEN/ML", "GDIAG/ML"), lrt("full V/ML", "full V null/ML"))
wald <- function(a, btt) { t <- tryit(anova(fits[[a]], btt = btt)); list(fit = a, btt = btt, QM = t$QM, QMdf = num(t$QMdf), QMp = t$QMp) }
lin <- function(a, X) { t <- tryit(anova(fits[[a]], X = X)); list(fit = a, X = X, Xb = num(t$Xb), se = num(t$se), zval = num(t$zval), pval = num(t$pval), QM = num(t$QM), QMp = num(t$QMp)) }
walds <- list(wald("UN/REML", 2:3), wald("full V/REML", 2:3), wald("crossed/ML", 1:2), wald("t contain", 2),
  lin("UN/REML", rbind(c(0, 1, -1), c(1, 1, 0))), lin("full V/ML", rbind(c(1, .5, .5))), lin("berkey UN/ML", rbind(c(1, -1))))
pred <- function(a, x, ...) { p <- tryit(predict(fits[[a]], newmods = x, ...)); list(fit = a, x = x, args = list(...), pred = num(p$pred), se = num(p$se),
  ci_lb = num(p$ci.lb), ci_ub = num(p$ci.ub), pi_lb = num(p$pi.lb), pi_ub = num(p$pi.ub)) }
one <- cbind(c(-1, 0, 2))
predictions <- list(pred("crossed/REML", one), pred("full V/REML", cbind(one, .5)), pred("t contain", one), pred("konst", cbind(c(1980, 2000))),
  pred("CS/REML", rbind(c(0, 0), c(1, 0))), pred("HCS/REML", rbind(c(0, 0), c(1, 0), c(0, 1)), tau2.levels = c("a", "b", "c")),
  pred("UN/ML", rbind(c(0, 0), c(1, 0), c(0, 1)), tau2.levels = c("a", "b", "c")),
  pred("berkey UN/REML", rbind(c(1, 0), c(0, 1)), tau2.levels = c("AL", "PD")))
along <- function(a, ...) { r <- fits[[a]]; r$control <- loose; p <- if (slow) tryit(profile(r, ..., plot = FALSE, progbar = FALSE)) else list(); c(list(fit = a), list(...), list(at = num(p[[1]]), ll = num(p$ll))) }
profiles <- list(along("UN/REML", tau2 = 2, xlim = c(.02, .3), steps = 4), along("UN/REML", rho = 1, xlim = c(-.5, .8), steps = 4),
  along("berkey UN/ML", rho = 1, xlim = c(0, .9), steps = 4), along("HAR/REML", tau2 = 1, xlim = c(.05, .4), steps = 3),
  along("two terms", gamma2 = 1, xlim = c(0, .3), steps = 4), along("two terms", phi = 1, xlim = c(-.5, .9), steps = 4),
  along("SPEXP/REML", rho = 1, xlim = c(1, 8), steps = 3), along("GEN/REML", tau2 = 2, xlim = c(.02, .2), steps = 3),
  along("GEN/REML", rho = 1, xlim = c(-.5, .5), steps = 3))

grid <- function(m) list(matrix = unname(as.matrix(m)))
named <- function(m) list(matrix = list(rows = rownames(m), values = unname(m)))
datasets <- list(berkey = berkey, konst = konst, made = made)
datasets <- lapply(datasets, function(d) lapply(as.list(d), function(x) if (is.factor(x)) as.character(x) else as.vector(x)))
datasets$berkey.V <- grid(berkey.V); datasets$made.V <- grid(made.V); datasets$made.F <- grid(made.F)
datasets$A <- named(A); datasets$D <- named(D)
cat(toJSON(list(topic = "rma_mv", description = "metafor rma.mv: what follows from a multilevel fit", r_version = R.version.string,
  packages = list(metafor = as.character(packageVersion("metafor")), metadat = as.character(packageVersion("metadat"))),
  datasets = datasets, cases = cases, tests = tests, walds = walds, predictions = predictions, profiles = profiles),
  auto_unbox = TRUE, digits = I(12), na = "null", null = "null"))
