// Models that answer beside the page: a few workers, and for each question only the newest.

class Live {
  constructor(source, questions) {
    const address = URL.createObjectURL(new Blob([source, `(${answering})();`]));
    this.count = Math.min(4, Math.max(1, navigator.hardwareConcurrency || 2));
    this.free = Array.from({ length: this.count }, () => {
      const worker = new Worker(address);
      worker.onerror = ({ message }) => trouble(message);
      worker.postMessage({ questions });
      return worker;
    });
    this.waiting = new Map();  // by key: what is asked, and who wants the answer
  }

  // Ask; `then` gets the answer unless the same key is asked anew before it is begun.
  ask(key, question, then) {
    this.waiting.delete(key);
    this.waiting.set(key, { question, then });
    this.next();
  }

  next() {
    while (this.free.length && this.waiting.size) {
      const worker = this.free.pop(), [key, { question, then }] = this.waiting.entries().next().value;
      this.waiting.delete(key);
      worker.onmessage = ({ data }) => {
        this.free.push(worker);
        then(data);
        this.next();
      };
      worker.postMessage(question);
    }
  }
}

// What a worker does; it has the numerics, and nothing of the page.
function answering() {
  let opened;
  onmessage = async ({ data }) => {
    if (data.questions) {
      opened = openQuestions(data.questions);
      return;
    }
    const questions = await opened, model = new Model(data.model, data.vector);
    const domain = questions.domains.find((each) => each.key === data.domain);
    postMessage(data.prompt
      ? likeliest(model, data.prompt, domain.answerLength, questions.eos, data.count)
      : score(model, domain));
  };
}
