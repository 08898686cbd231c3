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

function seen(page) {
  page.save();
  return { where: page.where, scores: scores(), place: find("#place").textContent, address: location.hash };
}

function set(id, value) {
  find(id).value = value;
  find(id).dispatchEvent(new Event("input"));
}

function pointer(kind, x, y) {
  const seen = new DOMPoint(x, y).matrixTransform(find(".plot").getScreenCTM());
  find(".plot").dispatchEvent(new PointerEvent(kind, { pointerId: 1, clientX: seen.x, clientY: seen.y, bubbles: true }));
}

// Every control: what a reader does, and what the page then shows.
const CONTROLS = {
  pointer: (page) => pointer("pointerdown", page.plane.x(0.5), page.plane.y(2)),
  key: () => find(".dot").dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true })),
  a: () => set("#a", "0.3"),
  share: () => set("#share", "-0.5"),
  random: () => set("#random", "2"),
  rollback: () => set("#rollback", "1"),
  order: () => set("#order", "signed"),
  checkpoint: () => find('#checkpoints [data-name="cw"]').click(),
};

async function drive(order) {
  const page = await settled(), found = { places: {}, controls: {}, moments: [], prompts: {}, first: seen(page) };
  if (!order) return found;
  Element.prototype.setPointerCapture = () => {};  // there is no pointer
  page.begin(0);
  for (const [name, where] of Object.entries(order.places)) {
    page.go(where);
    const rough = scores();
    found.places[name] = { rough, ...seen(await settled()) };
  }
  for (const [name, use] of Object.entries(CONTROLS)) {
    use(page);
    found.controls[name] = seen(page);
  }
  find("#view").value = "average";
  find("#view").dispatchEvent(new Event("change"));
  const drawn = (part) => getComputedStyle(part).display !== "none";
  found.shown = [...document.querySelectorAll("[data-view]")].filter(drawn).map((part) => part.dataset.view);
  for (let moment = 1; moment <= page.run.moments.length; moment++) {
    find(`[data-moment="${moment}"]`).click();
    const covered = !drawn(find('[data-view="average"]')), early = drawn(find(".told"));
    find(".lock").click();
    const task = find(".todo").textContent, between = drawn(find(".told")), guessed = drawn(find(".guess"));
    const marked = [...find("#scores").tBodies].filter((body) => drawn(body.querySelector(".mine")));
    find(".show").click();
    found.moments.push({
      covered, early, between, task, guessed, marked: marked.map((body) => body.dataset.domain),
      told: find(".told").textContent, shown: drawn(find(".told")),
    });
  }
  for (const text of order.prompts) {
    find("#prompt input").value = text;
    find("#prompt input").dispatchEvent(new Event("change"));
    await settled();
    const rows = [...find("#prompt tbody").rows].map((row) => [row.dataset.name, row.querySelector("td").textContent]);
    found.prompts[text] = { fault: find(".fault").textContent, rows: Object.fromEntries(rows) };
  }
  for (const button of document.querySelectorAll("#prompt .draw button")) {
    button.click();
    found.prompts[button.dataset.domain] = { fault: find(".fault").textContent, text: find("#prompt input").value };
  }
  return found;  // what an untrained policy finds likeliest takes long
}
