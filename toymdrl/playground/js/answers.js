// What a model answers: log-probabilities, exact scores, the likeliest answers; and tokens to text and back.

const COLUMNS_AT_ONCE = 256;  // read together: what a processor's fast memory holds
const BEGINNINGS = 3000;  // looked at: a policy that finds all answers alike has no likeliest ones

// What PackedQuestions packs: { tokens, pad, eos, domains }, each domain with `count` prompts and rows as functions.
async function openQuestions(payload) {
  const { manifest, arrayOf } = await openPayload(payload);
  const domains = manifest.domains.map((domain) => {
    const [count, length] = domain.prompts.shape, [lists, each, most] = domain.answers.shape;
    const prompts = arrayOf(domain.prompts), answers = arrayOf(domain.answers), rewards = arrayOf(domain.rewards);
    return {
      ...domain,
      count,
      promptLength: length,
      prompt: (i) => prompts.subarray(i * length, (i + 1) * length),
      // Answers to a prompt that earn something, PAD behind their end, and what: [{ tokens, reward }].
      rewarded: (i) => {
        const list = lists === 1 ? 0 : i, found = [];
        for (let j = 0; j < each; j++) {
          const reward = domain.levels[rewards[i * each + j]], at = (list * each + j) * most;
          if (reward > 0) found.push({ tokens: trimmed(answers.subarray(at, at + most), manifest.pad), reward });
        }
        return found;
      },
    };
  });
  return { ...manifest, domains };
}

function trimmed(tokens, pad) {
  let length = tokens.length;
  while (length > 0 && tokens[length - 1] === pad) length--;
  return tokens.subarray(0, length);
}

// The columns of prompts and of answers to them, to be read at once.
class Layout {
  constructor() {
    this.tokens = [];
    this.parents = [];
    this.following = [];  // by column: the column that follows it with a token
  }

  // The column of a token after another column, the same for the same two.
  after(parent, token) {
    const known = parent < 0 ? null : this.following[parent];
    if (known?.has(token)) return known.get(token);
    this.tokens.push(token);
    this.parents.push(parent);
    this.following.push(new Map());
    const column = this.tokens.length - 1;
    known?.set(token, column);
    return column;
  }

  // The last column of a prompt of its own.
  prompt(tokens) {
    return tokens.reduce((column, token) => this.after(column, token), -1);
  }

  // The columns that predict an answer's tokens. The last token is predicted and never read: it needs no column.
  answer(column, tokens) {
    const path = [column];
    for (let step = 0; step + 1 < tokens.length; step++) path.push(this.after(path[step], tokens[step]));
    return path;
  }
}

function along(reading, path, tokens) {
  return path.reduce((sum, column, step) => sum + reading.after(column)[tokens[step]], 0);
}

// Expected reward of one sampled answer, prompt by prompt, exactly; as in policy/exact.py.
function expectedRewards(model, domain, from = 0, to = domain.count) {
  const expected = [];
  while (from < to) {
    const layout = new Layout(), asked = [];
    for (; from < to && layout.tokens.length < COLUMNS_AT_ONCE; from++) {
      const last = layout.prompt(domain.prompt(from));
      asked.push(domain.rewarded(from).map((answer) => ({ ...answer, path: layout.answer(last, answer.tokens) })));
    }
    const reading = new Reading(model);
    reading.read(layout.tokens, layout.parents);
    const earned = ({ path, tokens, reward }) => reward * Math.exp(along(reading, path, tokens));
    for (const answers of asked) expected.push(answers.reduce((sum, answer) => sum + earned(answer), 0));
  }
  return expected;
}

// 100 x the mean expected reward of a domain's prompts.
function score(model, domain) {
  return expectedRewards(model, domain).reduce((a, b) => a + b, 0) / domain.count * 100;
}

// The likeliest answers to a prompt, none missed but of a policy to which all are alike: [{ tokens, logProbability }]. The likeliest beginning is taken
// further until it is a whole answer; no other can then be likelier, since going on makes none likelier.
function likeliest(model, prompt, answerLength, eos, count) {
  const reading = new Reading(model), found = [];
  const parents = Array.from(prompt, (_, i) => i - 1);
  reading.read(prompt, parents);
  const open = [{ tokens: [], logProbability: 0, column: prompt.length - 1 }];
  for (let looked = 0; open.length && found.length < count && looked < BEGINNINGS; looked++) {
    const best = open.reduce((a, b, i) => (b.logProbability > open[a].logProbability ? i : a), 0);
    const { tokens, logProbability, column } = open.splice(best, 1)[0];
    if (tokens.length === answerLength || tokens[tokens.length - 1] === eos) {
      found.push({ tokens, logProbability });
      continue;
    }
    const here = tokens.length ? reading.read([tokens[tokens.length - 1]], [column]) : column;
    reading.after(here).forEach((log, token) => {
      open.push({ tokens: [...tokens, token], logProbability: logProbability + log, column: here });
    });
  }
  return found;
}

// Tokens as text, as `decode` of domains/vocab.py writes them, but whole: an end marker is shown.
function spell(questions, tokens) {
  let text = "", last = "";
  for (const id of tokens) {
    const token = questions.tokens[id];
    text += (text && Math.max(token.length, last.length) > 2 ? " " : "") + token;
    last = token;
  }
  return text;
}

// A typed prompt as { domain, tokens }. Throws an Error whose message says in a line what cannot be read, and why.
function tokenise(questions, text) {
  const tokens = [];
  for (let rest = text.trim(); rest; rest = rest.trimStart()) {
    const fits = questions.tokens.filter((token) => rest.startsWith(token));
    if (!fits.length) throw new Error(`“${rest[0]}” is no token; the policy reads ${known(questions)}`);
    const longest = fits.reduce((a, b) => (b.length > a.length ? b : a));
    tokens.push(questions.tokens.indexOf(longest));
    rest = rest.slice(longest.length);
  }
  const domain = questions.domains.find((each) => each.slots[0].includes(tokens[0]));
  if (!domain) throw new Error(`a prompt opens as one of these does: ${known(questions)}`);
  const like = `as in ${spell(questions, domain.prompt(0))}`;
  tokens.slice(0, domain.promptLength).forEach((token, place) => {
    if (domain.slots[place].includes(token)) return;
    const wanted = domain.slots[place].map((each) => questions.tokens[each]).join(" "), found = questions.tokens[token];
    throw new Error(`token ${place + 1} is ${found}; a prompt of ${domain.title} has there ${wanted}, ${like}`);
  });
  if (tokens.length !== domain.promptLength)
    throw new Error(`a prompt of ${domain.title} has ${domain.promptLength} tokens, not ${tokens.length}, ${like}`);
  return { domain, tokens };
}

function known(questions) {
  return questions.domains.map((domain) => spell(questions, domain.prompt(0))).join(", ");
}
