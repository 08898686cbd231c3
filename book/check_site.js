// What a reader sees of each page, asked in the browser itself: run by check_site.py, which gives PAGES.

const LAPTOP = 1280, DESK = 1400, TELEPHONE = 420;

const frame = document.createElement("iframe");
frame.style = "border: 0; height: 900px";
document.body.append(frame);

const visible = (element) => element.checkVisibility() && element.getBoundingClientRect().height > 0;
const within = (fold) => [...fold.children].filter((child) => child.tagName !== "SUMMARY");
const named = (element) => `<${element.tagName.toLowerCase()} class="${element.className}"> ${element.textContent.trim().slice(0, 40)}`;

function open(url) {
  frame.style.width = `${LAPTOP}px`;
  return new Promise((loaded) => { frame.onload = loaded; frame.src = url; });
}

function resize(width) {
  frame.style.width = `${width}px`;
  return new Promise((settled) => setTimeout(settled, 50));  // a frame with nothing to draw may never come
}

function outcomes(page) {
  const faults = [];
  for (const output of page.querySelectorAll(".tag_hide-output .cell_output"))
    if (!output.closest("details.fold.outcome")) faults.push("an outcome is not folded");
  for (const fold of page.querySelectorAll("details.fold.outcome")) {
    if (within(fold).some(visible)) faults.push("an outcome is seen before the click");
    fold.querySelector("summary").click();
    if (!within(fold).some(visible)) faults.push("an outcome is not seen after the click");
    fold.querySelector("summary").click();
  }
  return faults;
}

function maths(page) {
  const wanted = page.querySelectorAll(".math").length, drawn = page.querySelectorAll("mjx-container").length;
  const faults = drawn < wanted ? [`${drawn} of ${wanted} formulas are drawn`] : [];
  if (page.querySelector("[data-mjx-error], mjx-merror")) faults.push("a formula is in error");
  return faults;
}

function contents(page) {
  const place = page.querySelector(".bd-sidebar-secondary .page-toc, .bd-sidebar-secondary nav");
  if (page.querySelectorAll("article section h2").length < 2) return [];
  const seen = place && visible(place) && place.getBoundingClientRect().right <= LAPTOP;
  return seen ? [] : ["the page's contents cannot be seen on a laptop"];
}

function overflow(page, width) {
  const root = page.documentElement;
  if (root.scrollWidth <= root.clientWidth) return [];
  const out = [...page.querySelectorAll("article *")].filter((each) => {
    const scrolls = each.parentElement.closest("pre, table, .math, mjx-container, .cell_output, dt.sig");
    return !scrolls && each.getBoundingClientRect().right > width + 1;
  });
  return [`${root.scrollWidth} pixels wide on a screen of ${width}: ${out.length ? named(out[0]) : "the frame"}`];
}

function wide(page, width) {
  return [...page.querySelectorAll(".cell_input pre")]
    .filter((code) => code.scrollWidth > code.clientWidth + 1)
    .map((code) => `code scrolls sideways at ${width}: ${code.textContent.trim().slice(0, 40)}`);
}

function pictures(page) {
  return [...page.querySelectorAll("article img")]
    .filter((image) => !image.alt || image.alt.startsWith("<") || image.alt.startsWith("_images/"))
    .map((image) => `a picture has no words: ${image.alt || image.src}`);
}

function hosts(view) {
  const far = view.performance.getEntriesByType("resource").filter((each) => /^(https?|wss?):/.test(each.name));
  return far.map((each) => `asks another host for ${each.name}`);
}

async function faults(url) {
  await open(url);
  const view = frame.contentWindow, page = view.document;
  await view.MathJax?.startup?.promise;
  await resize(LAPTOP);
  const found = [...maths(page), ...hosts(view), ...contents(page), ...outcomes(page)];
  if (page.body.textContent.includes("is blank;")) found.push("tells its reader that an exercise is blank");
  found.push(...pictures(page));
  for (const fold of page.querySelectorAll("details")) fold.open = true;
  for (const width of [LAPTOP, DESK, TELEPHONE]) {
    await resize(width);
    found.push(...overflow(page, width));
    if (width !== TELEPHONE) found.push(...wide(page, width));
  }
  return found;
}

async function all() {
  const found = {};
  for (const [name, url] of Object.entries(PAGES))
    found[name] = await faults(url).catch((error) => [`cannot be looked at: ${error}`]);
  const result = document.createElement("script");
  result.type = "application/json";
  result.id = "found";
  result.textContent = JSON.stringify(found).replaceAll("<", "\\u003c");
  document.body.append(result);
}

all();
