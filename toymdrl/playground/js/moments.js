// Guided moments: a guess that is kept, then a move, then one sentence.

class Guide {
  constructor(root, page) {
    Object.assign(this, { root, page, guesses: new Map() });
    this.part = (name) => root.querySelector(`.${name}`);
    this.number = this.part("number");
    this.number.addEventListener("input", () => this.write());
    this.part("lock").addEventListener("click", () => this.lock());
    this.part("show").addEventListener("click", () => this.page.go(this.moment.goal));
    root.querySelectorAll("[data-moment]").forEach((button) =>
      button.addEventListener("click", () => this.page.begin(Number(button.dataset.moment))));
  }

  // Begin with a moment of a run; 0 is free play.
  begin(run, index) {
    this.index = index;
    this.key = `${run.number} ${index}`;
    this.moment = run.moments[index - 1];
    this.told = false;
    for (const button of this.root.querySelectorAll("[data-moment]")) {
      button.hidden = Number(button.dataset.moment) > run.moments.length;
      button.setAttribute("aria-current", Number(button.dataset.moment) === index ? "step" : "false");
    }
    this.part("free").hidden = Boolean(this.moment);
    this.part("guided").hidden = !this.moment;
    if (this.moment) this.ask();
    this.show();
  }

  ask() {
    const { title, question, guess } = this.moment;
    this.part("title").textContent = title;
    this.part("question").textContent = question;
    this.part("range").hidden = !guess;
    if (!guess) return;
    this.part("label").textContent = guess.label;
    Object.assign(this.number, { min: guess.low, max: guess.high, step: guess.step, value: (guess.low + guess.high) / 2 });
    this.write();
  }

  get guess() { return this.guesses.get(this.key); }

  write() { this.part("value").textContent = written(Number(this.number.value), this.moment.guess.step < 1 ? 2 : 0); }

  lock() {
    const { a, b } = this.page.plane.place;
    this.guesses.set(this.key, this.moment.guess ? Number(this.number.value) : [a, b]);
    this.show();
    this.part("show").focus();
    this.page.go(this.moment.begin);
  }

  // The reader has come to a place: is it where the moment leads?
  came(where) {
    if (!this.moment || this.told || this.guess === undefined) return;
    const { goal } = this.moment;
    const near = (key) => (typeof goal[key] === "number" ? Math.abs(goal[key] - where[key]) <= 0.11 : goal[key] === where[key]);
    if (Object.keys(goal).every(near)) {
      this.told = true;
      this.show();
    }
  }

  show() {
    const guess = this.moment && this.guess, locked = guess !== undefined;
    // Until the guess is made, nothing that would give it away.
    this.page.find(".columns").classList.toggle("covered", Boolean(this.moment) && !locked);
    // The guess in the plane, a share of the update where it is; on its bar, if it is a score.
    const domain = this.moment?.guess?.domain, place = this.moment?.guess ? [guess, guess] : guess;
    this.page.plane.showGuess(locked && !domain ? place : null);
    this.page.scores.showGuess(domain, locked ? guess : null);
    if (!this.moment) return;
    this.part("asked").hidden = locked;
    this.part("task").hidden = !locked;
    this.part("todo").textContent = this.moment.task;
    this.part("told").textContent = this.told ? `${this.beside(guess)} ${this.moment.told}` : "";
  }

  // The guess beside what came out.
  beside(guess) {
    const { truth, guess: number } = this.moment;
    const text = (value) => (number ? written(value, number.step < 1 ? 2 : 1) : `(${value.map((each) => written(each, 2)).join(", ")})`);
    return `You guessed ${text(guess)}; it is ${text(truth)}.`;
  }
}
