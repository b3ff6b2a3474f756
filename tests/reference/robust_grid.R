# Reference figures for cluster-robust inference: models x corrections x tests. Writes robust_grid.json.
# Run in this folder: Rscript robust_grid.R. Needs metafor, metadat, clubSandwich, robumeta, jsonlite.
suppressMessages({library(metafor); library(metadat); library(clubSandwich); library(robumeta); library(jsonlite)})
TYPES <- c("CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3")
quiet <- function(x) suppressWarnings(suppressMessages(x))
or_null <- function(x) tryCatch(quiet(x), error = function(e) NULL)

# every quantity of one correction; `tested` = coefficients whose joint hypothesis is tested
by_type <- function(fit, type, cluster, tested) {
  vc <- or_null(if (is.null(cluster)) vcovCR(fit, type = type) else vcovCR(fit, cluster = cluster, type = type))
  if (is.null(vc)) return(NULL)
  satt <- or_null(coef_test(fit, vcov = vc, test = "Satterthwaite"))
  wald <- or_null(Wald_test(fit, constraints = constrain_zero(tested), vcov = vc, test = "All"))
  list(vcov = vc[upper.tri(vc, diag = TRUE)], df = satt$df_Satt %||% satt$df, p = satt$p_Satt,
       wald = if (!is.null(wald)) lapply(split(wald, wald$test), function(w) c(w$Fstat, w$df_denom, w$p_val)))
}
`%||%` <- function(a, b) if (is.null(a)) b else a

blocks_of <- function(V, cluster) {
  if (is.null(V)) return(NULL)
  unname(lapply(split(seq_along(cluster), factor(cluster, unique(cluster))), function(i) list(rows = I(i - 1), matrix = I(as.matrix(V)[i, i, drop = FALSE]))))
}

record <- function(name, fit, cluster, tested, V = NULL, w = NULL, terms = list(), columns = list()) {
  list(id = name, kind = "fit", call = paste(deparse(fit$call), collapse = " "),
       y = as.numeric(fit$yi), v = as.numeric(fit$vi), x = unname(fit$X), cluster = as.character(cluster),
       blocks = blocks_of(V, cluster), weights = w, terms = terms, columns = columns,
       method = if (fit$method %in% c("FE", "EE", "CE")) "EE" else fit$method, tested = tested,
       beta = as.numeric(fit$beta), types = sapply(TYPES, by_type, fit = fit, cluster = cluster, tested = tested, simplify = FALSE))
}

models <- list()
add <- function(...) models[[length(models) + 1]] <<- record(...)
intercept <- function(by, variance) list(kind = "intercept", by = I(by), variance = variance)

# one effect per study
# years are centred and weights near one: clubSandwich works on the columns as they are and loses digits otherwise
bcg <- escalc("RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
bcg$decade <- bcg$year %/% 10
bcg$year <- bcg$year - 65
bcg$ablat <- bcg$ablat - 33
f <- rma(yi, vi, mods = ~ ablat + year, data = bcg)
add("bcg, every study a cluster", f, bcg$trial, 2:3, terms = list(intercept("row", f$tau2)))
add("bcg, three clusters", f, bcg$alloc, 2:3, terms = list(intercept("row", f$tau2)))
bcg$n <- with(bcg, tpos + tneg + cpos + cneg)
f <- rma(yi, vi, mods = ~ ablat + year, weights = sqrt(n), data = bcg)
add("bcg, user weights", f, bcg$trial, 2:3, w = sqrt(bcg$n), terms = list(intercept("row", f$tau2)))
f <- rma(yi, vi, mods = ~ alloc, data = bcg)
add("bcg, factor, five clusters", f, bcg$decade, 2:3, terms = list(intercept("row", f$tau2)))
bang <- dat.bangertdrowns2004
bang <- bang[complete.cases(bang[, c("grade", "meta", "info", "yi")]), ]
f <- rma(yi, vi, mods = ~ factor(grade) * meta, data = bang, method = "ML")
add("bangert, interactions", f, bang$author, 6:ncol(f$X), terms = list(intercept("row", f$tau2)))
born <- escalc("OR", ai = waward, n1i = wtotal, ci = maward, n2i = mtotal, data = dat.bornmann2007)
born$year <- born$year - 1995
f <- rma(yi, vi, mods = ~ type + year, data = born, method = "EE")
add("bornmann, equal effects", f, born$study, 2:3)
f <- rma(yi, vi, mods = ~ type + year, data = born, method = "DL", weights = (wtotal + mtotal) / 1000)
add("bornmann, user weights in unbalanced clusters", f, born$study, 2:3, w = born$wtotal + born$mtotal, terms = list(intercept("row", f$tau2)))

# several effects per study
nested <- function(f, outer) list(intercept(outer, f$sigma2[1]), intercept(c(outer, "row"), f$sigma2[2]))
konst <- dat.konstantopoulos2011
konst$year <- konst$year - 1990
f <- rma.mv(yi, vi, mods = ~ year * I(school > 2), random = ~ 1 | district/school, data = konst)
add("konst, interaction", f, konst$district, 2:4, terms = nested(f, "study"))
konst$one <- as.numeric(konst$district == 18)
f <- rma.mv(yi, vi, mods = ~ one + I(school > 2) + year, random = ~ 1 | district/school, data = konst)
add("konst, one cluster alone carries a coefficient", f, konst$district, 3:4, terms = nested(f, "study"))
few <- konst[konst$district %in% c(11, 27, 56, 71), ]
f <- rma.mv(yi, vi, mods = ~ I(school > 2), random = ~ 1 | district/school, data = few)
add("konst, four clusters", f, few$district, 1:2, terms = nested(f, "study"))
as2 <- dat.assink2016
as2$year <- as2$year - mean(as2$year)
f <- rma.mv(yi, vi, mods = ~ deltype * year + pubstatus, random = ~ 1 | study/esid, data = as2)
add("assink, interactions", f, as2$study, 2:ncol(f$X), terms = nested(f, "study"))
V <- as.matrix(Matrix::bdiag(impute_covariance_matrix(as2$vi, cluster = as2$study, r = 0.6)))
f <- rma.mv(yi, V, mods = ~ deltype + year, random = ~ 1 | study/esid, data = as2)
add("assink, CHE", f, as2$study, 2:ncol(f$X), V = V, terms = nested(f, "study"))
f <- rma.mv(yi, V, mods = ~ deltype + pubstatus, W = 1 / (vi + 0.1), random = ~ 1 | study/esid, data = as2)
add("assink, CHE with user weights", f, as2$study, 2:ncol(f$X), V = V, w = 1 / (as2$vi + 0.1), terms = nested(f, "study"))
tan <- dat.tannersmith2016
tan <- tan[complete.cases(tan[, c("yi", "vi", "propmale", "sexmix")]), ]
V <- as.matrix(Matrix::bdiag(impute_covariance_matrix(tan$vi, cluster = tan$studyid, r = 0.4)))
f <- rma.mv(yi, V, mods = ~ factor(sexmix) + propmale, random = ~ 1 | studyid/row, data = transform(tan, row = seq_len(nrow(tan))))
add("tannersmith, CHE", f, tan$studyid, 2:ncol(f$X), V = V, terms = nested(f, "study"))

# unstructured
un <- function(f) list(list(kind = "un", variance = f$tau2, correlation = I(f$rho)))
berk <- dat.berkey1998
V <- vcalc(vi = 1, cluster = author, rvars = c(v1i, v2i), data = berk)
for (method in c("REML", "ML")) {
  f <- rma.mv(yi, V, mods = ~ 0 + outcome, random = ~ outcome | trial, struct = "UN", data = berk, method = method)
  add(paste("berkey, UN,", method), f, berk$trial, 1:2, V = V, terms = un(f), columns = list(inner = berk$outcome))
}
f <- rma.mv(yi, V, mods = ~ outcome * I(year - 1983), random = ~ outcome | trial, struct = "UN", data = berk)
add("berkey, UN, interaction in five clusters", f, berk$trial, 3:4, V = V, terms = un(f), columns = list(inner = berk$outcome))
ish <- reshape(dat.ishak2007, direction = "long", idvar = "study", v.names = c("yi", "vi"), varying = list(c(2, 4, 6), c(3, 5, 7)))
ish <- ish[order(ish$study, ish$time), ]
ish <- ish[!is.na(ish$yi) & !is.na(ish$mdur), ]
ish$time <- as.character(ish$time)
f <- rma.mv(yi, vi, mods = ~ time * mdur, random = ~ time | study, struct = "UN", data = ish)
add("ishak, UN, unbalanced with singletons", f, ish$study, 2:6, terms = un(f), columns = list(inner = ish$time))

# working models of robumeta
robu_record <- function(name, formula, data, study, v, tested, rho = 0.8) {
  data$study_ <- data[[study]]; data$v_ <- data[[v]]
  data <- data[complete.cases(data[, c(all.vars(formula), "study_", "v_")]), ]
  x <- model.matrix(formula, data)
  out <- list(id = name, kind = "robu", call = paste("robu", deparse(formula), "rho", rho), rho = rho, y = data[[all.vars(formula)[1]]], v = data$v_,
              x = unname(x), cluster = as.character(data$study_), tested = tested)
  for (model in c("CORR", "HIER")) for (small in c(TRUE, FALSE)) {
    f <- tryCatch(quiet(robu(formula, data = data, studynum = study_, var.eff.size = v_, modelweights = model, rho = rho, small = small)), error = conditionMessage)
    if (is.character(f)) {
      out$errors <- c(out$errors, paste(model, small, f))
      next
    }
    t <- f$reg_table
    out$models[[model]][[if (small) "small" else "large"]] <- list(
      b = t$b.r, se = t$SE, df = t$dfs, p = t$prob, low = t$CI.L, high = t$CI.U, tau2 = c(f$mod_info$tau.sq), omega2 = c(f$mod_info$omega.sq),
      i2 = c(f$mod_info$I.2), n = f$N)
    if (small) out$models[[model]]$types <- sapply(TYPES, by_type, fit = f, cluster = NULL, tested = tested, simplify = FALSE)
  }
  models[[length(models) + 1]] <<- out
}
data(hierdat); data(corrdat); data(oswald2013)
robu_record("hierdat, interaction", effectsize ~ binge * followup, hierdat, "studyid", "var", 2:4)
robu_record("corrdat, rho 0.3", effectsize ~ followup + males + binge + college, corrdat, "studyid", "var", 2:5, rho = 0.3)
robu_record("konst, one study alone carries a coefficient", yi ~ one + year, konst, "district", "vi", c(1, 3))
robu_record("four studies", yi ~ year, few, "district", "vi", 1:2, rho = 1)
robu_record("singletons only", yi ~ ablat + year, bcg, "trial", "vi", 2:3, rho = 0)
for (s in 1:6) {
  set.seed(s)
  size <- c(1, 1, 3, 5, 2, 4, 1, 6)
  made <- data.frame(y = rnorm(23, .2, c(.1, .2, .3, .6, .8, 1)[s]), v = runif(23, .05, .4), study = rep(1:8, size), x = rnorm(23))
  if (s == 3) made$y <- made$y + rep(rnorm(8), size)
  robu_record(paste("made", s), y ~ x, made, "study", "v", 1:2)
}
versions <- sapply(c("metafor", "metadat", "clubSandwich", "robumeta"), function(p) as.character(packageVersion(p)))
description <- "Cluster-robust covariances, Satterthwaite df and Wald tests over models x corrections; robu() of robumeta. Made by robust_grid.R."
writeLines(toJSON(list(topic = "robust_grid", description = description, r_version = R.version.string, packages = as.list(versions), types = TYPES,
  datasets = setNames(list(), character()), cases = models), digits = I(13), auto_unbox = TRUE, null = "null", na = "null"), "robust_grid.json")
