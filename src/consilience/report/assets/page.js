"use strict";
// The page works without this script; it adds conveniences only.
(function () {
  // A link into something folded opens it.
  function reveal() {
    var id = decodeURIComponent(location.hash.slice(1));
    var target = id && document.getElementById(id);
    for (var node = target; node; node = node.parentElement) {
      if (node.tagName === "DETAILS") node.open = true;
    }
    if (target) target.scrollIntoView();
  }
  window.addEventListener("hashchange", reveal);
  reveal();

  // Paper cannot unfold: open everything that is meant to be printed, and fold it again afterwards.
  var folded = [];
  window.addEventListener("beforeprint", function () {
    folded = Array.from(document.querySelectorAll("details:not([open]):not(.no-print)"));
    folded.forEach(function (d) { d.open = true; });
  });
  window.addEventListener("afterprint", function () {
    folded.forEach(function (d) { d.open = false; });
    folded = [];
  });

  function button(text, before, act) {
    var b = document.createElement("button");
    b.type = "button";
    b.className = "copy";
    b.textContent = text;
    b.addEventListener("click", function () { act(b); });
    before.parentNode.insertBefore(b, before);
  }

  document.querySelectorAll("[data-copy]").forEach(function (source) {
    button(source.dataset.copy, source, function (b) {
      var range = document.createRange();
      range.selectNodeContents(source);
      var selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      if (document.execCommand("copy")) b.textContent = "Copied";
    });
  });

  document.querySelectorAll(".forest").forEach(function (forest) {
    button("Unfold every effect", forest, function (b) {
      var open = b.getAttribute("aria-pressed") !== "true";
      b.setAttribute("aria-pressed", String(open));
      b.textContent = open ? "Fold the effects away" : "Unfold every effect";
      forest.querySelectorAll(open ? "details" : "details.trial").forEach(function (d) { d.open = open; });
    });
  });

  // Contents: open beside the text where there is room; mark the section being read.
  var contents = document.querySelector(".contents");
  if (!contents) return;
  var room = matchMedia("(min-width: 68rem)");
  function fit() { contents.querySelector("details").open = room.matches; }
  room.addEventListener("change", fit);
  fit();
  var links = new Map(Array.from(contents.querySelectorAll("a"), function (a) { return [a.hash.slice(1), a]; }));
  var watcher = new IntersectionObserver(function (entries) {
    entries.forEach(function (entry) {
      if (!entry.isIntersecting) return;
      links.forEach(function (a) { a.removeAttribute("aria-current"); });
      links.get(entry.target.id).setAttribute("aria-current", "location");
    });
  }, { rootMargin: "-10% 0px -80% 0px" });
  document.querySelectorAll("main > section[id]").forEach(function (s) { if (links.has(s.id)) watcher.observe(s); });
})();
