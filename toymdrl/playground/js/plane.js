// The plane: a dot that is dragged or moved by arrow keys, the guess, and the contours of one score.

class PlaneView {
  constructor(svg, moved) {
    this.svg = svg;
    this.dot = svg.querySelector(".dot");
    this.guess = svg.querySelector(".guess");
    const drag = (event) => {
      const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      moved(this.inside({ a: this.a(x), b: this.b(y) }));
    };
    const plot = svg.querySelector(".plot");
    [this.width, this.height] = [plot.width.baseVal.value, plot.height.baseVal.value];
    plot.addEventListener("pointerdown", (event) => {
      plot.setPointerCapture(event.pointerId);
      drag(event);
      this.dot.focus();
    });
    plot.addEventListener("pointermove", (event) => { if (plot.hasPointerCapture(event.pointerId)) drag(event); });
    this.dot.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      const size = event.shiftKey ? 0.25 : 0.05;
      moved(this.inside({ a: this.place.a + size * step[0], b: this.place.b + 2 * size * step[1] }));
    });
  }

  frame(run) {
    this.grid = run.grid;
    this.only("run", String(run.number));
  }

  // Show those parts alone that belong to a run, or to a view.
  only(kind, name) {
    for (const part of this.svg.querySelectorAll(`[data-${kind}]`)) part.toggleAttribute("hidden", part.dataset[kind] !== name);
  }

  // The dot; hollow where what it stands for is off the plane, at the edge where it would be outside.
  show(seen, away) {
    const { a, b } = this.place = this.inside(seen);
    put(this.dot, this.x(a), this.y(b));
    this.dot.classList.toggle("away", away);
    this.dot.setAttribute("aria-valuetext", `a ${written(a, 2)}, b ${written(b, 2)}`);
    this.dot.setAttribute("aria-valuenow", b.toFixed(2));
  }

  showGuess(place) {
    this.guess.toggleAttribute("hidden", !place);
    if (place) put(this.guess, this.x(place[0]), this.y(place[1]));
  }

  x(a) { const [low, high] = this.grid.a; return (a - low) / (high - low) * this.width; }
  y(b) { const [low, high] = this.grid.b; return (high - b) / (high - low) * this.height; }
  a(x) { const [low, high] = this.grid.a; return low + x / this.width * (high - low); }
  b(y) { const [low, high] = this.grid.b; return high - y / this.height * (high - low); }

  inside({ a, b }) {
    const within = (value, [low, high]) => Math.round(Math.min(high, Math.max(low, value)) * 100) / 100;
    return { a: within(a, this.grid.a), b: within(b, this.grid.b) };
  }
}

function put(element, x, y) { element.setAttribute("transform", `translate(${x} ${y})`); }
