# Reference figures of cluster-robust inference (robust_more.json). Usage: Rscript robust_more.R robust_more.json
suppressMessages({library(metafor); library(metadat); library(clubSandwich); library(robumeta); library(jsonlite)})
datasets <- list(); cases <- list()
say <- function(id, data, call, out, args = NULL) {
  one <- list(id = id, data = data, call = call)
  if (!is.null(args)) one$args <- args
  if (inherits(out, "error")) one$error <- gsub("\n", " ", conditionMessage(out)) else one$out <- out
  cases[[length(cases) + 1]] <<- one
}
try_ <- function(expr) tryCatch(suppressWarnings(expr), error = function(e) e)
square <- function(m) lapply(seq_len(nrow(m)), function(i) as.numeric(m[i, ]))
keep <- function(name, data) datasets[[name]] <<- lapply(as.list(data), function(x) if (is.factor(x)) as.character(x) else x)
matrix_data <- function(name, m) datasets[[name]] <<- list(matrix = square(as.matrix(m)))
TYPES <- c("CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3")
TESTS <- c("HTZ", "HTA", "HTB", "EDF", "EDT", "chi-sq", "Naive-F", "Naive-Fp")
numbers <- function(table, drop = c("Coef", "test")) { x <- as.list(as.data.frame(table)); x <- x[!names(x) %in% drop]; lapply(x[sapply(x, is.numeric)], inf) }
inf <- function(x) { x <- as.numeric(x); if (any(is.infinite(x))) I(ifelse(is.infinite(x), ifelse(x > 0, "Inf", "-Inf"), format(x, digits = 15))) else x }

robust <- function(name, data, call, cluster, zero = NULL, equal = NULL) {
  fit <- eval(parse(text = call)); p <- length(coef(fit))
  args <- list(cluster = cluster)
  out <- list(k = fit$k, p = fit$p, method = fit$method, beta = as.list(coef(fit)), se = fit$se, sigma2 = fit$sigma2, tau2 = fit$tau2,
    rho = fit$rho, gamma2 = fit$gamma2, phi = fit$phi, fit_stats = list(REML = list(ll = fit$fit.stats["ll", "REML"]), ML = list(ll = fit$fit.stats["ll", "ML"])))
  say(paste0("fit/", name), data, call, out, args)
  cl <- eval(parse(text = data))[[cluster]]
  if (!is.null(fit$not.na)) cl <- cl[fit$not.na]
  for (type in TYPES) {
    a <- list(cluster = cluster, type = type)
    v <- try_(vcovCR(fit, cluster = cl, type = type))
    say(paste("clubSandwich", name, type, sep = "/"), data, paste0("vcovCR(<", name, ">, type='", type, "')"), if (inherits(v, "error")) v else list(vcov = square(as.matrix(v))), a)
    for (test in c("Satterthwaite", if (type %in% c("CR1", "CR2")) c("naive-t", "naive-tp"), if (type == "CR2") c("z", "saddlepoint"))) {
      ct <- try_(coef_test(fit, vcov = type, cluster = cl, test = test))
      say(paste("coef_test", name, type, test, sep = "/"), data, paste0("coef_test(<", name, ">, vcov='", type, "', test='", test, "')"), if (inherits(ct, "error")) ct else numbers(ct), c(a, test = test))
    }
    if (!is.null(zero)) for (test in if (type == "CR2") TESTS else c("HTZ", "HTA", "EDT")) {
      w <- try_(Wald_test(fit, constrain_zero(zero), vcov = type, cluster = cl, test = test))
      say(paste("Wald_test", name, type, test, sep = "/"), data, paste0("Wald_test(<", name, ">, constrain_zero(c(", toString(zero), ")), vcov='", type, "', test='", test, "')"),
        if (inherits(w, "error")) w else numbers(w), list(cluster = cluster, constrain_zero = zero, test = test))
    }
  }
  ci <- try_(conf_int(fit, vcov = "CR2", cluster = cl, level = 0.9))
  say(paste("conf_int", name, "CR2", sep = "/"), data, "conf_int(fit, vcov = \"CR2\", level = 0.9)", if (inherits(ci, "error")) ci else numbers(ci), list(cluster = cluster, level = 0.9))
  if (!is.null(equal)) { w <- try_(Wald_test(fit, constrain_equal(equal), vcov = "CR2", cluster = cl))
    say(paste0("Wald_test_equal/", name), data, "Wald_test(fit, constrain_equal(idx), vcov = \"CR2\")", if (inherits(w, "error")) w else numbers(w), list(cluster = cluster, constrain_equal = equal)) }
}

robu_ <- function(data, formula, study, v, rest) {
  call <- paste0("robu(", formula, ", data = ", data, ", studynum = ", study, ", var.eff.size = ", v, ", ", rest, ")")
  r <- try_(eval(parse(text = call)))
  id <- paste("robumeta", data, gsub(" ", "", formula), gsub("[\" ]|modelweights=|small=|userweights=", "", rest), sep = "/")
  if (inherits(r, "error")) return(say(id, data, call, r))
  t <- r$reg_table
  say(id, data, call, list(labels = as.character(t$labels), b.r = t$b.r, SE = t$SE, t = t$t, dfs = t$dfs, prob = t$prob, CI.L = t$CI.L, CI.U = t$CI.U,
    N = r$N, M = r$M, tau_sq = as.numeric(r$mod_info$tau.sq), omega_sq = as.numeric(r$mod_info$omega.sq), I2 = as.numeric(r$mod_info$I.2), VR_r = square(as.matrix(r$VR.r))))
}

# trials, one effect each; clusters of trials by allocation (3 clusters); user weights
bcg <- escalc("RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
bcg <- data.frame(trial = bcg$trial, yi = as.numeric(bcg$yi), vi = as.numeric(bcg$vi), ablat = bcg$ablat, alloc = bcg$alloc, n = (bcg$tpos + bcg$tneg + bcg$cpos + bcg$cneg) / 10000, decade = paste0("d", bcg$year %/% 10))
bcg$first <- as.numeric(bcg$trial == 4)
keep("bcg", bcg)
robust("bcg_interaction", "bcg", "rma(yi, vi, mods = ~ablat*alloc, data = bcg, control = list(threshold = 1e-12, maxiter = 1000))", "trial", zero = 3:4, equal = 3:4)
robust("bcg_three_clusters", "bcg", "rma(yi, vi, mods = ~ablat, data = bcg, control = list(threshold = 1e-12, maxiter = 1000))", "alloc", zero = 1:2)
robust("bcg_alloc", "bcg", "rma(yi, vi, mods = ~ablat + alloc, data = bcg, control = list(threshold = 1e-12, maxiter = 1000))", "decade", zero = 2:4)
robust("bcg_weights", "bcg", "rma(yi, vi, weights = n, mods = ~ablat, data = bcg, control = list(threshold = 1e-12, maxiter = 1000))", "decade", zero = 1:2)
robust("bcg_one_trial", "bcg", "rma(yi, vi, mods = ~first + ablat, data = bcg, control = list(threshold = 1e-12, maxiter = 1000))", "trial", zero = 2:3)

# three levels, very unbalanced studies (1 to 22 effects); constant correlation; user weights
assink <- dat.assink2016
assink <- data.frame(study = assink$study, esid = assink$id, yi = assink$yi, vi = assink$vi, pubstatus = assink$pubstatus, year = assink$year, deltype = as.character(assink$deltype))
assink$w <- 1 / (assink$vi + 0.1)
assink.V <- impute_covariance_matrix(assink$vi, cluster = assink$study, r = 0.6, return_list = FALSE)
keep("assink", assink); matrix_data("assink.V", assink.V)
robust("assink_che", "assink", "rma.mv(yi, assink.V, mods = ~deltype + pubstatus*year, random = ~1 | study/esid, data = assink)", "study", zero = 2:6, equal = 2:3)
robust("assink_weights", "assink", "rma.mv(yi, assink.V, W = w, mods = ~deltype, random = ~1 | study/esid, data = assink)", "study", zero = 2:3)
robust("assink_equal_weights", "assink", "rma.mv(yi, vi, W = 1, mods = ~pubstatus, random = ~1 | study/esid, data = assink)", "study", zero = 1:2)

# two outcomes: unstructured; five trials, four coefficients (m = p + 1), full V
berkey <- dat.berkey1998
berkey.V <- vcalc(vi = 1, cluster = author, rvars = c(v1i, v2i), data = berkey)
berkey <- data.frame(trial = berkey$trial, outcome = berkey$outcome, yi = as.numeric(berkey$yi), vi = as.numeric(berkey$vi), year = berkey$year)
keep("berkey", berkey); matrix_data("berkey.V", berkey.V)
robust("berkey_un", "berkey", "rma.mv(yi, berkey.V, mods = ~outcome - 1, random = ~outcome | trial, struct = \"UN\", data = berkey)", "trial", zero = 1:2, equal = 1:2)
robust("berkey_un_year", "berkey", "rma.mv(yi, berkey.V, mods = ~outcome + outcome:I(year - 1983) - 1, random = ~outcome | trial, struct = \"UN\", data = berkey)", "trial", zero = 3:4)

# two outcomes, most studies with one (singletons): unstructured with interactions, full V
kalaian <- dat.kalaian1996
kalaian.V <- vcalc(vi, cluster = study, type = outcome, rho = 0.66, data = kalaian)
kalaian <- data.frame(study = kalaian$study, outcome = kalaian$outcome, yi = as.numeric(kalaian$yi), vi = as.numeric(kalaian$vi), hours = log(kalaian$hrs), w = kalaian$n1i + kalaian$n2i)
use <- is.finite(kalaian$hours); kalaian <- kalaian[use, ]; kalaian.V <- kalaian.V[use, use]
keep("kalaian", kalaian); matrix_data("kalaian.V", kalaian.V)
robust("kalaian_un", "kalaian", "rma.mv(yi, kalaian.V, mods = ~outcome*hours, random = ~outcome | study, struct = \"UN\", data = kalaian)", "study", zero = 2:4)
robust("kalaian_un_weights", "kalaian", "rma.mv(yi, kalaian.V, W = w, mods = ~outcome, random = ~outcome | study, struct = \"UN\", data = kalaian)", "study", zero = 1:2)

# peer review: unbalanced groups, text factor with rare levels, one of which a single study carries
bornmann <- escalc("OR", ai = waward, n1i = wtotal, ci = maward, n2i = mtotal, data = dat.bornmann2007)
bornmann <- data.frame(study = bornmann$study, obs = bornmann$obs, yi = as.numeric(bornmann$yi), vi = as.numeric(bornmann$vi), type = bornmann$type, discipline = bornmann$discipline, year = bornmann$year - 1990)
keep("bornmann", bornmann)
robust("bornmann_type", "bornmann", "rma.mv(yi, vi, mods = ~type*year, random = ~1 | study/obs, data = bornmann)", "study", zero = 2:4)
robust("bornmann_discipline", "bornmann", "rma.mv(yi, vi, mods = ~discipline, random = ~1 | study/obs, data = bornmann)", "study", zero = 2:4)
robust("bornmann_ee", "bornmann", "rma(yi, vi, mods = ~type, method = \"EE\", data = bornmann)", "study", zero = 1:2)

for (small in c("TRUE", "FALSE")) {
  for (w in c("CORR", "HIER")) {
    rest <- paste0("modelweights = \"", w, "\", small = ", small)
    for (f in c("yi ~ 1", "yi ~ deltype", "yi ~ year*pubstatus")) robu_("assink", f, "study", "vi", rest)
    for (f in c("yi ~ 1", "yi ~ type*year", "yi ~ discipline")) robu_("bornmann", f, "study", "vi", rest)
    for (f in c("yi ~ 1", "yi ~ outcome*hours")) robu_("kalaian", f, "study", "vi", rest)
    for (f in c("yi ~ outcome", "yi ~ outcome*year")) robu_("berkey", f, "trial", "vi", rest)
    for (f in c("yi ~ 1", "yi ~ ablat + alloc", "yi ~ first + ablat")) robu_("bcg", f, "trial", "vi", rest)
  }
  for (rho in c(0, 1)) robu_("assink", "yi ~ deltype", "study", "vi", paste0("rho = ", rho, ", small = ", small))
}
robu_("assink", "yi ~ deltype", "study", "vi", "userweights = w, small = TRUE")

version <- function(p) as.character(packageVersion(p))
write(toJSON(list(topic = "robust", description = "Cluster-robust inference on further data sets of metadat: unbalanced clusters, singletons, clusters that determine a coefficient, as many coefficients as clusters, interactions, user weights, unstructured matrices; robumeta with and without small-sample corrections",
  r_version = R.version.string, packages = list(metafor = version("metafor"), metadat = version("metadat"), clubSandwich = version("clubSandwich"), robumeta = version("robumeta")),
  suggested_tolerance = list(all = "1e-6 relative given R's variance components"), n_cases = length(cases), datasets = datasets, cases = cases), auto_unbox = TRUE, digits = NA, null = "null", na = "null"), commandArgs(TRUE)[1])
cat(length(cases), "cases,", sum(sapply(cases, function(c) !is.null(c$error))), "errors\n")
