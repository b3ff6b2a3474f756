// Texts on the page whose contrast with what is behind them is below WCAG AA, computed as the browser paints them.
() => {
  const parse = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = (top, under) => top.slice(0, 3).map((c, i) => c * top[3] + under[i] * (1 - top[3])).concat(1);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ratio = (a, b) => {
    const [hi, lo] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (hi + 0.05) / (lo + 0.05);
  };
  const behind = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.unshift(parse(getComputedStyle(e).backgroundColor));
    return layers.reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  // A figure paints its own ground: every shape whose box holds the middle of the text may be behind it.
  const shapes = (text) => {
    const box = text.getBoundingClientRect();
    const x = box.x + box.width / 2, y = box.y + box.height / 2;
    const found = [];
    for (const shape of text.ownerSVGElement.querySelectorAll("rect, polygon, circle")) {
      if (text.compareDocumentPosition(shape) & Node.DOCUMENT_POSITION_FOLLOWING) continue;
      const b = shape.getBoundingClientRect();
      const fill = getComputedStyle(shape).fill;
      if (fill !== "none" && b.x <= x && x <= b.right && b.y <= y && y <= b.bottom) found.push(parse(fill));
    }
    return found;
  };
  const poor = [];
  let looked = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.getClientRects().length) continue;
    if (["SCRIPT", "STYLE", "TITLE", "DESC"].includes(element.tagName.toUpperCase())) continue;
    if (element.closest(".visually-hidden")) continue;
    const style = getComputedStyle(element);
    const drawn = element instanceof SVGElement;
    const grounds = drawn ? shapes(element).slice(-1) : [];
    const ground = grounds.length ? over(grounds[0], behind(element.ownerSVGElement)) : behind(element);
    const ink = over(parse(drawn ? style.fill : style.color), ground);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const found = ratio(ink, ground);
    looked += 1;
    if (found < (large ? 3 : 4.5)) poor.push([walker.currentNode.data.trim().slice(0, 40), found.toFixed(2), element.outerHTML.slice(0, 80)]);
  }
  return { looked, poor };
}
