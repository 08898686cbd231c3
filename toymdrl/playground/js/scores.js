// The four scores: a bar each, with marks at the harmed domain's checkpoint, at the end, and of the control.

class ScoreBars {
  constructor(table) {
    this.rows = Object.fromEntries([...table.tBodies].map((body) => [body.dataset.domain, body]));
  }

  // What does not move: marks of the two checkpoints.
  frame(run) {
    const own = run.spots.find((spot) => spot.name === run.own), end = run.spots.find((spot) => spot.name === run.last);
    for (const [key, row] of Object.entries(this.rows)) {
      at(row, ".own", own.scores[key]);
      at(row, ".end", end.scores[key]);
      row.querySelector(".marks").textContent = `${written(own.scores[key], 1)} → ${written(end.scores[key], 1)}`;
    }
  }

  // A score; not yet computed if it is `rough`, unknown if null.
  show(key, score, rough) {
    const row = this.rows[key], text = row.querySelector("output");
    text.textContent = score === null ? "…" : `${rough ? "≈ " : ""}${written(score, 1)}`;
    text.classList.toggle("rough", rough);
    row.querySelector(".now").style.width = `${score ?? 0}%`;
  }

  // On the bar of a domain; on none if there is no such guess.
  showGuess(domain, score) {
    for (const [key, row] of Object.entries(this.rows)) row.querySelector(".mine").hidden = key !== domain || score === null;
    if (domain && score !== null) at(this.rows[domain], ".mine", score);
  }

  // The control, read off the lattice; null if there is none.
  control(key, score) {
    this.rows[key].querySelector(".control").hidden = score === null;
    at(this.rows[key], ".control", score);
    this.rows[key].querySelector(".shrunk").textContent = score === null ? "–" : `≈ ${written(score, 1)}`;
  }
}

function at(row, mark, score) { row.querySelector(mark).style.left = `${score}%`; }
