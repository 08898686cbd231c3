// A prompt, and its likeliest answers at every checkpoint and where the dot is.

const ANSWERS = 3;

class PromptView {
  constructor(root, questions, live, changed) {
    Object.assign(this, { root, questions, live, changed });
    this.text = root.querySelector("input");
    this.fault = root.querySelector(".fault");
    this.body = root.querySelector("tbody");
    this.text.addEventListener("change", () => this.read(this.text.value));
    for (const button of root.querySelectorAll("button[data-domain]"))
      button.addEventListener("click", () => this.draw(button.dataset.domain));
  }

  // A prompt of a domain, any of those that the page asks.
  draw(key) {
    const domain = this.questions.domains.find((each) => each.key === key);
    this.read(spell(this.questions, domain.prompt(Math.floor(Math.random() * domain.count))));
  }

  read(text) {
    try {
      this.asked = tokenise(this.questions, text);
      this.fault.textContent = "";
    } catch (error) {
      this.fault.textContent = error.message;
      return;
    }
    this.text.value = spell(this.questions, this.asked.tokens);
    this.right = this.rightAnswers();
    this.changed(this.text.value);
    this.run.spots.forEach((spot) => this.ask(spot.name, this.run.opened.vectors[spot.name]));
    if (this.here) this.ask("here", this.here);
  }

  frame(run) {
    this.run = run;
    this.here = null;
    const row = (name, title) => `<tr data-name="${name}"><th scope="row">${title}</th><td></td></tr>`;
    this.body.innerHTML = row("here", "where the dot is") + run.spots.map((spot) => row(spot.name, spot.title)).join("");
  }

  // The dot has moved.
  move(vector) {
    this.here = vector;
    if (this.asked) this.ask("here", vector);
  }

  ask(name, vector) {
    const { domain, tokens } = this.asked, run = this.run;
    const question = { model: run.model, vector, domain: domain.key, prompt: tokens, count: ANSWERS };
    this.live.ask(`answers ${name}`, question, (found) => {
      if (run === this.run && tokens === this.asked.tokens) this.show(name, found);
    });
  }

  show(name, found) {
    const cell = this.body.querySelector(`[data-name="${name}"] td`);
    cell.innerHTML = found.map(({ tokens, logProbability }) => {
      const share = Math.exp(logProbability), text = spell(this.questions, tokens.filter((id) => id !== this.questions.eos));
      const mark = this.right?.has(tokens.join()) ? " right" : "";
      return `<span class="answer${mark}" style="--share: ${share}"><b>${text}</b> ${Math.round(100 * share)} %</span>`;
    }).join("");
  }

  // Answers of full reward, as text of their tokens, if the page asks this prompt; null if it does not know.
  rightAnswers() {
    const { domain, tokens } = this.asked, same = tokens.join();
    for (let i = 0; i < domain.count; i++)
      if (domain.prompt(i).join() === same)
        return new Set(domain.rewarded(i).filter(({ reward }) => reward === 1).map((each) => each.tokens.join()));
    return null;
  }
}
