// What test_playground.py has a browser do with a page: each control as a reader would, and what the page then says.

async function settled() {
  const page = await playground, busy = setInterval(() => { for (let i = 0; i < 2e6; i++); }, 50);
  while (page.live.free.length < page.live.count || page.live.waiting.size)
    await new Promise((done) => setTimeout(done, 20));  // the page's clock runs ahead whenever it is idle
  clearInterval(busy);
  return page;
}

const find = (selector) => document.querySelector(selector);

function scores() {
  return Object.fromEntries([...find("#scores").tBodies].map((body) => [body.dataset.domain, body.querySelector("output").textContent]));
}

async function seen() {
  const page = await settled();
  return { where: page.where, scores: scores(), place: find("#place").textContent, address: location.hash };
}

async function set(id, value) {
  find(id).value = value;
  find(id).dispatchEvent(new Event("input"));
  return seen();
}

async function pressed(selector) {
  find(selector).click();
  return seen();
}

function pointer(kind, x, y) {
  const plot = find(".plot"), box = find("#plane").getBoundingClientRect(), view = find("#plane").viewBox.baseVal;
  const clientX = box.left + (x - view.x) / view.width * box.width, clientY = box.top + (y - view.y) / view.height * box.height;
  plot.dispatchEvent(new PointerEvent(kind, { pointerId: 1, clientX, clientY, bubbles: true }));
}

async function drive(order) {
  const found = { places: {}, controls: {}, moments: [], prompts: {} }, page = await settled();
  Element.prototype.setPointerCapture = () => {};  // there is no pointer
  found.first = await seen();
  page.begin(0);
  for (const [name, where] of Object.entries(order.places)) {
    page.go(where);
    const rough = scores();
    found.places[name] = { rough, ...await seen() };
  }
  pointer("pointerdown", page.plane.x(0.5), page.plane.y(2));
  found.controls.pointer = await seen();
  find(".dot").dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
  found.controls.key = await seen();
  found.controls.a = await set("#a", "0.3");
  found.controls.share = await set("#share", "-0.5");
  found.controls.random = await set("#random", "2");
  found.controls.rollback = await set("#rollback", "1");
  found.controls.order = await set("#order", "signed");
  found.controls.checkpoint = await pressed(`#checkpoints [data-name="${order.checkpoint}"]`);
  find("#view").value = order.view;
  find("#view").dispatchEvent(new Event("change"));
  found.shown = [...document.querySelectorAll("[data-view]")].filter((part) => getComputedStyle(part).display !== "none").map((part) => part.dataset.view);
  for (let moment = 1; moment <= page.run.moments.length; moment++) {
    await pressed(`[data-moment="${moment}"]`);
    const covered = getComputedStyle(find(`[data-view="${order.view}"]`)).display === "none", early = find(".told").checkVisibility();
    await pressed(".lock");
    const task = find(".todo").textContent;
    const guess = find(".guess").hasAttribute("hidden") ? null : find(".guess").getAttribute("transform");
    const between = find(".told").checkVisibility();
    await pressed(".show");
    found.moments.push({ covered, early, between, task, guess, told: find(".told").textContent, shown: find(".told").checkVisibility() });
  }
  for (const text of order.prompts) {
    find("#prompt input").value = text;
    find("#prompt input").dispatchEvent(new Event("change"));
    await settled();
    const rows = Object.fromEntries([...find("#prompt tbody").rows].map((row) => [row.dataset.name, row.querySelector("td").textContent]));
    found.prompts[text] = { fault: find(".fault").textContent, rows };
  }
  for (const button of document.querySelectorAll("#prompt .draw button")) {
    button.click();
    await settled();
    found.prompts[button.dataset.domain] = { fault: find(".fault").textContent, text: find("#prompt input").value };
  }
  return found;
}
