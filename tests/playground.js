// What test_playground_numerics.py has a browser compute: ASKED is { points, answers, prompts, typed, likeliest }.

async function compute(asked, packedRun, packedQuestions) {
  const run = await openRun(packedRun), questions = await openQuestions(packedQuestions);
  const points = asked.points.map(({ start, steps }) => {
    const vector = mix(run.vectors[start], steps.map(([amount, name]) => [amount, run.vectors[name]]));
    const model = new Model(run, vector);
    return questions.domains.map((domain) => ({
      score: score(model, domain),
      expected: expectedRewards(model, domain, 1, 3),
      logs: asked.prompts[domain.key].map((prompt) => logProbabilities(model, prompt, asked.answers[domain.key])),
      likeliest: asked.prompts[domain.key].map((prompt) =>
        likeliest(model, prompt, domain.answerLength, questions.eos, asked.likeliest)),
    }));
  });
  const typed = asked.typed.map((text) => {
    try {
      const { domain, tokens } = tokenise(questions, text);
      return [domain.key, tokens, spell(questions, tokens)];
    } catch (error) {
      return error.message;
    }
  });
  return { points, typed };
}

// Of answers to one prompt, each up to its end, with the end marker where it ends early.
function logProbabilities(model, prompt, answers) {
  const layout = new Layout(), last = layout.prompt(prompt);
  const paths = answers.map((tokens) => layout.answer(last, tokens));
  const reading = new Reading(model);
  reading.read(layout.tokens, layout.parents);
  return paths.map((path, i) => along(reading, path, answers[i]));
}
