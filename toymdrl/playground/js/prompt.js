// A prompt, and its likeliest answers at every checkpoint and where the dot is.

const ANSWERS = 3;

class PromptView {
  constructor(root, questions, live, changed) {
    Object.assign(this, { root, questions, live, changed });
    [this.text, this.fault, this.body] = ["input", ".fault", "tbody"].map((part) => root.querySelector(part));
    this.text.addEventListener("change", () => this.read(this.text.value));
    for (const button of root.querySelectorAll("button[data-domain]"))
      button.addEventListener("click", () => this.draw(button.dataset.domain));
  }

  // A prompt of a domain, any of those that the page asks.
  draw(key) {
    const domain = this.questions.domains.find((each) => each.key === key);
    this.read(spell(this.questions, domain.prompt(Math.floor(Math.random() * domain.count))));
  }

  // Ask it of all; false, and no answers, if it cannot be read.
  read(text) {
    this.asked = null;
    for (const cell of this.body.querySelectorAll("td")) cell.replaceChildren();
    try {
      this.asked = tokenise(this.questions, text);
      this.fault.textContent = "";
    } catch (error) {
      this.fault.textContent = error.message;
      return false;
    }
    this.text.value = spell(this.questions, this.asked.tokens);
    this.right = this.rightAnswers();
    this.run.spots.forEach((spot) => this.ask(spot.name, this.run.opened.vectors[spot.name]));
    if (this.here) this.ask("here", this.here);
    this.changed();
    return true;
  }

  frame(run) { Object.assign(this, { run, here: null }); }

  // The dot has moved.
  move(vector) {
    this.here = vector;
    if (this.asked) this.ask("here", vector);
  }

  ask(name, vector) {
    const { domain, tokens } = this.asked, run = this.run;
    const cell = this.body.querySelector(`[data-name="${name}"] td`);
    cell.classList.add("old");
    const question = { model: run.model, vector, domain: domain.key, prompt: tokens, count: ANSWERS };
    this.live.ask(`answers ${name}`, question, (found) => {
      const late = run !== this.run || tokens !== this.asked?.tokens || (name === "here" && vector !== this.here);
      if (!late) this.show(cell, found);
    });
  }

  show(cell, found) {
    cell.classList.remove("old");
    cell.replaceChildren(...(found.length ? found.map((answer) => this.bar(answer)) : ["all answers are alike to it"]));
  }

  bar({ tokens, logProbability }) {
    const bar = document.createElement("span"), text = document.createElement("b"), share = Math.exp(logProbability);
    text.textContent = spell(this.questions, tokens.filter((id) => id !== this.questions.eos)) || "(nothing)";
    bar.className = this.right?.has(tokens.join()) ? "answer right" : "answer";
    bar.style.setProperty("--share", share);
    bar.append(text, ` ${Math.round(100 * share)} %`);
    return bar;
  }

  // Answers of full reward, as text of their tokens, if the page asks this prompt; null if it does not know.
  rightAnswers() {
    const { domain, tokens } = this.asked, same = tokens.join();
    const i = Array.from({ length: domain.count }, (_, i) => domain.prompt(i).join()).indexOf(same);
    return i < 0 ? null : new Set(domain.rewarded(i).filter(({ reward }) => reward === 1).map((each) => each.tokens.join()));
  }
}
