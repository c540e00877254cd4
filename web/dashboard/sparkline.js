/** A line so small that it needs no axes. */

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, EDGE] = [96, 24, 2];

/** A drawing of `values` over time, hidden from screen readers: the number beside it says what counts. */
export function sparkline(values, { width = WIDTH, height = HEIGHT } = {}) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
  drawing.setAttribute("preserveAspectRatio", "none");
  drawing.setAttribute("class", "sparkline");
  drawing.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", placePoints(values, width, height).join(" "));
  drawing.append(line);
  return drawing;
}

/** "x,y" of each value; a single value is a level line. */
export function placePoints(values, width, height) {
  const shown = values.length === 1 ? [values[0], values[0]] : values;
  const most = Math.max(1, ...shown);
  const step = (width - 2 * EDGE) / Math.max(1, shown.length - 1);
  return shown.map(
    (value, index) =>
      `${(EDGE + index * step).toFixed(1)},${(height - EDGE - (value / most) * (height - 2 * EDGE)).toFixed(1)}`,
  );
}
