// The page: one place in one run, shown everywhere, kept in the address.

class Playground {
  constructor(questions) {
    const find = this.find = (selector) => document.querySelector(selector);
    this.keys = [...questions.domains].sort((x, y) => y.columns - x.columns).map(({ key }) => key);  // the longest first
    this.live = new Live(find("#numerics").textContent, json("questions"));
    this.scores = new ScoreBars(find("#scores"));
    this.plane = new PlaneView(find("#plane"), (place) => this.go({ kind: "plane", ...place }));
    this.prompt = new PromptView(find("#prompt"), questions, this.live, () => this.keep());
    this.guide = new Guide(find("#guide"), this);
    this.runs = new Map();
    find("#run").addEventListener("change", (event) => this.choose(Number(event.target.value)));
    find("#view").addEventListener("change", (event) => this.plane.view(event.target.value));
    this.listen();
  }

  listen() {
    const value = (id) => Number(this.find(id).value);
    const on = (id, where) => this.find(id).addEventListener("input", () => this.go(where()));
    for (const id of ["#a", "#b"]) on(id, () => ({ kind: "plane", ...this.plane.inside({ a: value("#a"), b: value("#b") }) }));
    on("#share", () => ({ kind: "plane", a: value("#share"), b: value("#share") }));
    const rollback = () => ({ kind: "rollback", order: this.find("#order").value, share: value("#rollback") });
    on("#rollback", rollback);
    on("#order", rollback);
    on("#random", () => ({ kind: "random", step: value("#random") }));
    this.find("#checkpoints").addEventListener("click", ({ target }) => {
      if (target.dataset.name) this.go({ kind: "checkpoint", name: target.dataset.name });
    });
  }

  // Show a run, opened when it is first chosen; where the address says, if it does.
  async choose(number, { where, moment, prompt } = {}) {
    if (!this.runs.has(number)) this.runs.set(number, await Run.open(json(`run-${number}`)));
    const run = this.runs.get(number);
    this.run = Object.assign(run, { number });
    this.find("#run").value = number;
    this.plane.frame(run);
    this.scores.frame(run);
    this.prompt.frame(run);
    this.find("#checkpoints").innerHTML = run.spots.filter((spot) => spot.kind !== "base")
      .map((spot) => `<button type="button" data-name="${spot.name}">${spot.title}</button>`).join("");
    this.prompt.read(prompt || this.prompt.text.value || run.prompt);
    this.begin(moment ?? this.guide.index ?? 1, placeFrom(run, where));
  }

  // Begin with a guided moment, where it begins or at a place of the reader's own.
  begin(moment, where) {
    this.guide.begin(this.run, Math.min(moment, this.run.moments.length));
    this.go(where ?? this.guide.moment?.begin ?? { kind: "plane", a: 1, b: 1 });
  }

  // Go to a place: what is known of it at once, the rest as it is computed.
  go(where) {
    const run = this.run, vector = run.vectorAt(where), seen = run.seen(vector);
    this.where = where;
    this.plane.show(seen, where.kind !== "plane");
    const share = run.shrunk(seen);
    for (const key of this.keys) {
      this.scores.show(key, where.kind === "plane" ? run.known(key, where.a, where.b) : null, true);
      this.scores.control(key, run.known(key, share, share));
      const question = { model: run.model, vector, domain: key };
      this.live.ask(`score ${key}`, question, (score) => {
        if (this.where === where && this.run === run) this.scores.show(key, score, false);
      });
    }
    this.prompt.move(vector);
    this.describe(where, seen, share);
    this.controls(where, seen);
    this.guide.came(where);
    this.keep();
  }

  describe(where, { a, b, away, fromStart }, share) {
    const title = this.find("#scores").dataset.harmed, off = away > 0.005 ? `, ${written(away, 2)} off the plane` : "";
    this.find("#place").textContent = `a = ${written(a, 2)}, b = ${written(b, 2)}${off}; `
      + `${written(fromStart, 2)} from ${title}’s checkpoint`;
    this.find("#shrunk").textContent = written(share, 2);
  }

  // The controls follow the place.
  controls(where, { a, b }) {
    const set = (id, value) => { if (document.activeElement !== this.find(id)) this.find(id).value = value; };
    set("#a", a.toFixed(2));
    set("#b", b.toFixed(2));
    if (where.kind === "plane" && Math.abs(a - b) < 0.006) set("#share", a);
    if (where.kind === "random") set("#random", where.step);
    if (where.kind === "rollback") {
      set("#rollback", where.share);
      set("#order", where.order);
    }
    this.find("#share-value").textContent = written(Number(this.find("#share").value), 2);
    this.find("#random-value").textContent = written(Number(this.find("#random").value), 1);
    this.find("#rollback-value").textContent = `${+(100 * this.run.shares[this.find("#rollback").value]).toPrecision(2)} %`;
    for (const button of this.find("#checkpoints").children)
      button.setAttribute("aria-pressed", String(where.name === button.dataset.name));
  }

  keep() {
    if (!this.where) return;
    const parts = { run: this.run.number, moment: this.guide.index, where: placeText(this.where), prompt: this.prompt.text.value };
    history.replaceState(null, "", `#${new URLSearchParams(parts)}`);
  }
}

function json(id) { return JSON.parse(document.getElementById(id).textContent); }

// As the address says, whatever it says.
async function open() {
  const asked = new URLSearchParams(location.hash.slice(1)), questions = await openQuestions(json("questions"));
  const count = document.querySelector("#run").options.length, whole = (name) => (/^\d+$/.test(asked.get(name)) ? Number(asked.get(name)) : undefined);
  const playground = new Playground(questions), run = whole("run");
  await playground.choose(run < count ? run : 0, { where: asked.get("where"), moment: whole("moment"), prompt: asked.get("prompt") || undefined });
  document.documentElement.dataset.ready = "true";
  return playground;
}

const playground = open();
