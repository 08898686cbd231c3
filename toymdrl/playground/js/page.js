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
    find("#view").addEventListener("change", () => this.draw(find("#view").value));
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

  // Whose contours.
  draw(view) {
    const select = this.find("#view");
    select.value = view;
    if (!select.value) select.value = this.run.harmed;
    this.plane.only("view", select.value);
    this.keep();
  }

  // Show a run, opened when it is first chosen, unless another was chosen meanwhile; where the address says, if it does.
  async choose(number, { where, moment, prompt } = {}) {
    this.wanted = number;
    if (!this.runs.has(number)) this.runs.set(number, await Run.open(json(`run-${number}`)));
    if (this.wanted !== number) return;
    const run = this.runs.get(number);
    this.run = Object.assign(run, { number });
    this.find("#run").value = number;
    for (const part of [this.plane, this.scores, this.prompt]) part.frame(run);
    this.prompt.read(prompt || this.prompt.text.value) || this.prompt.read(run.prompt);
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
      this.scores.control(key, share === null ? null : run.known(key, share, share));
      this.live.ask(`score ${key}`, { model: run.model, vector, domain: key }, (score) => {
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
    this.find("#shrunk").textContent = share === null ? "–, as it is farther away than the update is long" : written(share, 2);
  }

  // The controls follow the place; one that is not in force shows no value.
  controls(where, { a, b }) {
    const share = where.kind === "plane" && Math.abs(a - b) < 0.006 ? a : null;
    const back = where.kind === "rollback" ? where.share : null, step = where.kind === "random" ? where.step : null;
    const percent = back === null ? "–" : back < 0 ? "0 %" : `${+(100 * this.run.shares[back]).toPrecision(2)} %`;
    const values = { "#a": a.toFixed(2), "#b": b.toFixed(2), "#share": share ?? 1, "#random": step ?? 0, "#rollback": back ?? -1 };
    for (const [id, value] of Object.entries({ ...values, "#order": where.order ?? this.find("#order").value }))
      if (document.activeElement !== this.find(id)) this.find(id).value = value;
    this.find("#share-value").textContent = share === null ? "–" : written(share, 2);
    this.find("#random-value").textContent = step === null ? "–" : written(step, 1);
    this.find("#rollback-value").textContent = percent;
    this.find("#rollback").setAttribute("aria-valuetext", percent);
    for (const button of this.find("#checkpoints").children)
      button.setAttribute("aria-pressed", String(where.name === button.dataset.name));
  }

  // Soon: a browser takes few new addresses a second.
  keep() { clearTimeout(this.soon); this.soon = setTimeout(() => this.save(), 300); }

  save() {
    const { number } = this.run, view = this.find("#view").value;
    const parts = { run: number, moment: this.guide.index, view, where: placeText(this.where), prompt: this.prompt.text.value };
    history.replaceState(null, "", `#${new URLSearchParams(parts)}`);
  }
}

function json(id) { return JSON.parse(document.getElementById(id).textContent); }

function trouble(message) {
  const line = document.querySelector("#trouble");
  line.hidden = false;
  line.textContent = `This browser cannot compute here: ${message}. A newer one can.`;
}

// As the address says, whatever it says.
async function open() {
  const asked = new URLSearchParams(location.hash.slice(1)), questions = await openQuestions(json("questions"));
  const whole = (name) => (/^\d+$/.test(asked.get(name)) ? Number(asked.get(name)) : undefined);
  const playground = new Playground(questions), count = playground.find("#run").options.length, run = whole("run");
  await playground.choose(run < count ? run : 0, { where: asked.get("where"), moment: whole("moment"), prompt: asked.get("prompt") });
  playground.draw(asked.get("view"));
  addEventListener("hashchange", () => location.reload());  // another address, pasted
  document.documentElement.dataset.ready = "true";
  return playground;
}

const playground = open();
playground.catch((error) => trouble(error.message));
